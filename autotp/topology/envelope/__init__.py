"""What this process may use of the machine (CPUs, CPU quota and memory), and how much it has used."""
