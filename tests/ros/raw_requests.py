"""Requests of services as raw bytes, which rclpy has no way to send: through the middleware's own functions."""

from __future__ import annotations

import ctypes
from ctypes import CDLL, POINTER, Structure, byref, c_bool, c_char_p, c_int, c_size_t, c_uint8, c_uint64, c_void_p
from typing import Any


class Time(Structure):
    """rmw_time_t."""

    _fields_ = (("sec", c_uint64), ("nsec", c_uint64))


class Profile(Structure):
    """rmw_qos_profile_t of Jazzy."""

    _fields_ = (
        ("history", c_int),
        ("depth", c_size_t),
        ("reliability", c_int),
        ("durability", c_int),
        ("deadline", Time),
        ("lifespan", Time),
        ("liveliness", c_int),
        ("liveliness_lease_duration", Time),
        ("avoid_ros_namespace_conventions", c_bool),
    )


class Options(Structure):
    """rmw_publisher_options_t of Jazzy."""

    _fields_ = (("payload", c_void_p), ("unique_network_flow", c_int))


class Allocator(Structure):
    """rcutils_allocator_t."""

    _fields_ = tuple((name, c_void_p) for name in ("allocate", "deallocate", "reallocate", "zero", "state"))


class Bytes(Structure):
    """rcutils_uint8_array_t."""

    _fields_ = (
        ("buffer", POINTER(c_uint8)),
        ("length", c_size_t),
        ("capacity", c_size_t),
        ("allocator", Allocator),
    )


KEEP_LAST, RELIABLE, VOLATILE, AUTOMATIC = 1, 1, 2, 1


def returning(library: CDLL, name: str, kind: Any) -> Any:
    """Gives a function of a library with the type of what it returns."""
    function = getattr(library, name)
    function.restype = kind
    return function


class RawRequests:
    """Writes to the topic on which a service of `rcl_interfaces` reads its requests."""

    def __init__(self, node: Any, service: str, kind: str) -> None:
        rcl, self.rmw = CDLL("librcl.so"), CDLL("librmw_implementation.so")
        types = CDLL("librcl_interfaces__rosidl_typesupport_c.so")
        prefix = "rosidl_typesupport_c__get_message_type_support_handle__rcl_interfaces__srv__"
        support = returning(types, f"{prefix}{kind}_Request", c_void_p)()
        with node.handle:
            handle = returning(rcl, "rcl_node_get_rmw_handle", c_void_p)(c_void_p(node.handle.pointer))
        profile = Profile(KEEP_LAST, 10, RELIABLE, VOLATILE, liveliness=AUTOMATIC)
        profile.avoid_ros_namespace_conventions = True
        options = returning(self.rmw, "rmw_get_default_publisher_options", Options)()
        create = returning(self.rmw, "rmw_create_publisher", c_void_p)
        topic = c_char_p(f"rq{service}Request".encode())
        self.publisher = create(c_void_p(handle), c_void_p(support), topic, byref(profile), byref(options))
        assert self.publisher, f"no publisher on {topic.value!r}"
        self.matched = returning(self.rmw, "rmw_publisher_count_matched_subscriptions", c_int)

    def services(self) -> int:
        """Counts the services that hear it."""
        count = c_size_t()
        assert self.matched(c_void_p(self.publisher), byref(count)) == 0
        return count.value

    def send(self, request: bytes) -> None:
        """Sends bytes in place of a request."""
        buffer = (c_uint8 * len(request)).from_buffer_copy(request)
        message = Bytes(ctypes.cast(buffer, POINTER(c_uint8)), len(request), len(request))
        result = self.rmw.rmw_publish_serialized_message(c_void_p(self.publisher), byref(message), None)
        assert result == 0, f"rmw_publish_serialized_message: {result}"
