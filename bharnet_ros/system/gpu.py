"""Which GPU there is, asked of the driver itself."""

import ctypes

NO_GPU = 'unknown'


def gpu_name() -> str:
    """Return name and compute capability of the first GPU, NO_GPU without one."""
    try:
        cuda = ctypes.CDLL('libcuda.so.1')
    except OSError:
        return NO_GPU
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(128)
    if (
        cuda.cuInit(0)
        or cuda.cuDeviceGet(ctypes.byref(device), 0)
        or cuda.cuDeviceGetName(name, len(name), device)
        or cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, device)
        or cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
    ):
        return NO_GPU
    return f'{name.value.decode(errors="replace")} sm{major.value}{minor.value}'
