# TAB for resin in bash. bash-completion loads this file by itself, as completions/resin; nothing is run before a TAB.
# What could come next is asked of resin: the first line of its answer says how, each further line is a value.

_resin() {
    local program=$1 answer=() how
    [[ $program != '~/'* ]] || program=$HOME/${program:2}
    COMPREPLY=()
    mapfile -t answer < <(
        _RESIN_COMPLETE=complete_bash _RESIN_LINE=${COMP_LINE:0:COMP_POINT} _RESIN_BREAKS=$COMP_WORDBREAKS \
            "$program" 2>/dev/null </dev/null
    )
    for how in ${answer[0]-}; do
        case $how in
            files) compopt -o default ;;
            folders) compopt -o dirnames ;;
            nospace) compopt -o nospace ;;
        esac
    done
    COMPREPLY=("${answer[@]:1}")
}

complete -o nosort -F _resin resin
