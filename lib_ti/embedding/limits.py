"""Bounds on what we take from a file that a stranger wrote. Each is far above every honest embedding."""

MIB = 1024 * 1024

MAX_FILE_BYTES = 64 * MIB
"""Of a pickle or picture, which are read whole. A .safetensors may be of any size: only header and wanted tensors are read."""
MAX_HEADER_BYTES = 8 * MIB
"""Of a .safetensors header; trainers put lists of tags there, so it is larger than the tensors need."""
MAX_JSON_BYTES = 8 * MIB
"""Of the JSON in a picture, unpacked: 75 vectors of SDXL take 4 MiB."""
MAX_METADATA_BYTES = MIB
"""Of our own facts beside the tensors."""
MAX_ZIP_MEMBERS = 1000
"""Of a torch file; an embedding has about five."""
MAX_PICKLE_STEPS = 20_000
"""Instructions of one pickle; an embedding takes about a hundred."""
MAX_NOTES = 20
"""Of what is told of one file."""
MAX_PIXELS = 24 * MIB
"""Of a picture that is searched for an embedding."""
MAX_ROWS = 1024
"""Vectors of an embedding. A prompt takes 75, yet files with more exist and can be cut."""
MAX_WIDTH = 8192
MAX_NAME_CHARACTERS = 100
