"""Strict YAML in, YAML out, atomic writes: the one door between dicts in files and typed values."""

from autotp.files.atomic import is_file, writable_folder, write_atomically
from autotp.files.strict import load_yaml, parse_yaml, to_type
from autotp.files.writer import dump_yaml

__all__ = ["dump_yaml", "is_file", "load_yaml", "parse_yaml", "to_type", "writable_folder", "write_atomically"]
