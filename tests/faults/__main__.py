"""Write the table of faults into the README."""

from faults.table import write

write()
