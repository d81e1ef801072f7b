"""What the machine is: processors, where they are, caches, nodes and kinds of cores."""
