// Stands in for Gloo's header, which libtorch does not bring: c10d only names these types. None is complete, so that
// nothing of Gloo can be built, copied or destroyed here.
#pragma once
namespace gloo::transport {
class Device;
// Complete, for unique pointers to it are members; never made.
class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = 0;
};
}
