"""Reading strict YAML into typed values, writing YAML, and atomic writes of files."""

from typing import TYPE_CHECKING

from autotp.lazy import lazy_names

if TYPE_CHECKING:
    from autotp.files.atomic import is_file, writable_folder, write_atomically
    from autotp.files.yaml_loader import load_yaml, parse_yaml, to_type
    from autotp.files.yaml_writer import dump_yaml
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "atomic": ("is_file", "writable_folder", "write_atomically"),
            "yaml_loader": ("load_yaml", "parse_yaml", "to_type"),
            "yaml_writer": ("dump_yaml",),
        },
    )

__all__ = ["dump_yaml", "is_file", "load_yaml", "parse_yaml", "to_type", "writable_folder", "write_atomically"]
