"""Reading and following the logs of a device: of its containers by its engine, of its system by its journal.

No line that the device still has is lost or shown twice when the connection breaks. `cursor` ensures that: it
identifies a position in a log by the lines before it, not by a time, because a device's clock jumps.
"""
