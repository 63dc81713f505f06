# TAB for resin in fish, which loads this file by itself; nothing is run before a TAB.
# What could come next is asked of resin: the first line of its answer says how, each further line is a value, a
# tabulator and what it means.

function __resin_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l answer (_RESIN_COMPLETE=complete_fish _RESIN_WORDS=(string join \x1f -- $words "$word") \
        $program 2>/dev/null </dev/null)
    set -l option (string replace -r -- '^(--[^=]*=)?.*$' '$1' "$word")
    set -l value (string replace -r -- '^--[^=]*=' '' "$word")
    switch "$answer[1]"
        case files
            printf '%s\n' $option(__fish_complete_path "$value")
        case folders
            printf '%s\n' $option(__fish_complete_directories "$value")
        case '*'
            printf '%s\n' $answer[2..]
    end
end

complete --command resin --no-files --keep-order --arguments '(__resin_complete)'
