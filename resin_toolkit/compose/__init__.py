"""Compose files, read into the records of `resin_toolkit.project.application`.

`finding.find` says which there are, `loading.load` reads them, `configuration.configuration_of` shows them.
"""
