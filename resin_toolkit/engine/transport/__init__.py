"""HTTP to a Docker engine, over TCP, a Unix socket or SSH.

The engine is not trusted. Answers are bounded in bytes and values (`connection_pool.LIMIT`, `load_json`),
streams are read in pieces, and each request has a deadline that holds whatever the engine sends meanwhile.

| request | at most |
| --- | --- |
| a question, and the beginning of a stream | 10 s (`connection_pool.PATIENCE`) |
| a change, such as `rename` | 60 s, for worn cards (`connection_pool.CHANGE`) |
| creating, starting and removing | 300 s, for the same reason (`api_client.SLOW`) |
| stopping a container | as long as it may take to stop, and 60 s |
| the existing lines of a log | 10 s of silence; 60 s where the engine has to search |

While a request may take longer than 10 s, an engine that is silent is asked for `/_ping` every 4 s, on
another connection, and given up if that is not answered within 6 s.

Builds, pulls, transfers, followed logs, events and commands in containers have no deadline: a RUN instruction
on a small board is honestly silent for an hour. Only a dead connection ends them, which the system detects
within 15 s by TCP keepalives (`tcp.keep_alive`) or SSH probes (`ssh.packetizer`); Ctrl-C ends each of them.
"""
