"""The machine's hardware: CPUs, and how they form cores, sockets, caches, NUMA nodes and kinds of cores."""
