"""What runs on a device, line by line: containers by its engine, the system by its journal.

No line that the device still has is lost, and none is shown twice, whatever becomes of the connection.
`cursor` makes that so: it knows a place in a log by the lines before it and not by a time, because a device's
clock jumps.
"""
