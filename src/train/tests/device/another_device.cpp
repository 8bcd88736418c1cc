// A device that is not the processor, for tests on machines that have no other: it takes the place that CUDA has in
// libtorch's dispatcher, of which a libtorch without CUDA leaves it empty. Its memory is the host's, and its operations
// are those of the processor, so numbers come out as there. What it adds is the rule that a card enforces: an operation
// on tensors of the device refuses a tensor of the processor, unless that is a single number.
//
// Loaded by LD_PRELOAD, it registers itself; nothing calls it by name.

#include <cstring>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>

namespace {

const at::Device DEVICE(at::kCUDA, 0);
const c10::Stream STREAM(c10::Stream::DEFAULT, DEVICE);

// All work is done when a call returns: streams and events have nothing to do.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  at::DeviceType type() const override { return at::kCUDA; }
  at::Device exchangeDevice(at::Device) const override { return DEVICE; }
  at::Device getDevice() const override { return DEVICE; }
  void setDevice(at::Device) const override {}
  void uncheckedSetDevice(at::Device) const noexcept override {}
  c10::Stream getStream(at::Device) const override { return STREAM; }
  c10::Stream getDefaultStream(at::Device) const override { return STREAM; }
  c10::Stream getNewStream(at::Device, int) const override { return STREAM; }
  c10::Stream getStreamFromGlobalPool(at::Device, bool) const override { return STREAM; }
  c10::Stream exchangeStream(c10::Stream) const override { return STREAM; }
  at::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, const at::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
  void synchronizeEvent(void*) const override {}
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}
};

// What libtorch asks of a CUDA that may not be there, by this name.
struct CUDAHooks final : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(at::DeviceIndex) const override { return true; }
  int getNumGPUs() const override { return 1; }
  at::DeviceIndex deviceCount() const override { return 1; }
  at::DeviceIndex current_device() const override { return 0; }
  at::DeviceIndex getCurrentDevice() const override { return 0; }
  at::DeviceIndex exchangeDevice(at::DeviceIndex) const override { return 0; }
  at::DeviceIndex maybeExchangeDevice(at::DeviceIndex) const override { return 0; }
  void setCurrentDevice(at::DeviceIndex) const override {}
  at::Device getDeviceFromPtr(void*) const override { return DEVICE; }
};

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* data = c10::alloc_cpu(bytes);
    return {data, data, &c10::free_cpu, DEVICE};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &c10::free_cpu; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }
};

Memory memory;

// The same numbers, seen from the processor.
at::Tensor host(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_cpu()) return tensor;
  return at::for_blob(tensor.mutable_data_ptr(), tensor.sizes())
      .strides(tensor.strides())
      .deleter([tensor](void*) {})
      .options(tensor.options().device(at::kCPU))
      .resizeable_storage()
      .allocator(c10::GetCPUAllocator())
      .make_tensor();
}

// A result of the processor, as one of the device.
at::Tensor device(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  const auto options = tensor.options().device(DEVICE);
  return at::from_blob(
      tensor.mutable_data_ptr(), tensor.sizes(), tensor.strides(), [tensor](void*) {}, options, DEVICE);
}

// Lets a tensor of the device be what an operation has made of its double.
void follow(const at::Tensor& original, const at::Tensor& double_) {
  if (original.sizes() == double_.sizes() && original.const_data_ptr() == double_.const_data_ptr()) return;
  auto* const impl = original.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(device(double_).storage());
  impl->set_storage_offset(0);
  impl->set_sizes_and_strides(double_.sizes(), double_.strides());
}

template <typename Change>
c10::IValue changed(const c10::IValue& value, const Change& change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& one : value.toTensorVector()) list.push_back(change(one));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& one : value.toOptionalTensorList()) {
      list.push_back(one ? std::optional(change(*one)) : std::nullopt);
    }
    return list;
  }
  if (value.isDevice()) return at::Device(at::kCPU);
  return value;
}

void on_the_processor(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  std::vector<std::pair<at::Tensor, at::Tensor>> moved;
  const auto take = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (tensor.is_cpu()) {
      TORCH_CHECK(
          tensor.dim() == 0,
          "a tensor of the processor, ", tensor.sizes(), ", in ", op.operator_name(), " on another device");
      return tensor;
    }
    moved.emplace_back(tensor, host(tensor));
    return moved.back().second;
  };
  const auto give = [&](const at::Tensor& tensor) {
    for (const auto& [original, double_] : moved) {
      if (tensor.is_same(double_)) return original;
    }
    return device(tensor);
  };
  const auto arguments = op.schema().arguments().size();
  for (auto value = stack->end() - arguments; value != stack->end(); ++value) *value = changed(*value, take);
  op.callBoxed(stack);
  for (const auto& [original, double_] : moved) follow(original, double_);
  const auto results = op.schema().returns().size();
  for (auto value = stack->end() - results; value != stack->end(); ++value) *value = changed(*value, give);
}

at::Tensor empty(
    c10::IntArrayRef size,
    std::optional<at::ScalarType> type,
    std::optional<at::Layout>,
    std::optional<at::Device>,
    std::optional<bool>,
    std::optional<at::MemoryFormat> format) {
  const c10::DispatchKeySet keys(c10::DispatchKey::CUDA);
  return at::detail::empty_generic(size, &memory, keys, c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(
    c10::IntArrayRef size,
    c10::IntArrayRef stride,
    std::optional<at::ScalarType> type,
    std::optional<at::Layout>,
    std::optional<at::Device>,
    std::optional<bool>) {
  const c10::DispatchKeySet keys(c10::DispatchKey::CUDA);
  return at::detail::empty_strided_generic(size, stride, &memory, keys, c10::dtype_or_default(type));
}

// The one way from the processor to the device and back.
at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool) {
  host(self).copy_(host(source));
  return self;
}

at::Scalar number(const at::Tensor& self) { return host(self).item(); }

} // namespace

namespace at {
REGISTER_CUDA_HOOKS(CUDAHooks)
} // namespace at

C10_REGISTER_GUARD_IMPL(CUDA, Guard)
REGISTER_ALLOCATOR(at::kCUDA, &memory)

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_processor>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("copy_", copy);
  library.impl("_local_scalar_dense", number);
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("view", TORCH_FN(at::native::view));
  library.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  library.impl("unfold", TORCH_FN(at::native::unfold));
  // These are made of parts that ask the tensor for its device, past the dispatcher.
  for (const char* name : {"convolution", "convolution_backward"}) {
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&on_the_processor>());
  }
}
