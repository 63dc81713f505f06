"""Read compose files into the records of `resin_toolkit.project.application`.

`file_search.find_compose_files` finds them, `loader.load_application` reads them. The format:
https://github.com/compose-spec/compose-spec
"""
