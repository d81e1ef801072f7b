"""What this process may use of the machine: CPUs, CPU quota and memory, and what it has used."""
