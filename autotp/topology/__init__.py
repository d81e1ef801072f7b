"""What the hardware is and what this process may use of it, read from `/proc` and `/sys`.

No other room reads those folders to describe the machine, so that one set of rules decides what a core, a socket
or a limit is. Probing a recording gives the same result as probing the machine that was recorded.
"""
