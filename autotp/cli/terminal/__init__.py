"""What a command and its terminal do to each other: output, a closed pipe, signals that end it."""
