"""A space as it is written, and the choices that it offers."""
