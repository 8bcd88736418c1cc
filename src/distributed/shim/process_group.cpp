// What Rust calls of libtorch's c10d: a store of keys over TCP, and a process group on Gloo.
//
// No exception leaves this file, no call waits without a limit. Where libtorch itself may wait for ever, for a store whose
// process was stopped, the call runs on a thread of its own, which is left behind when it is late; it owns what it uses.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace {

using Milliseconds = std::chrono::milliseconds;
using Store = c10::intrusive_ptr<c10d::Store>;
using Gloo = c10::intrusive_ptr<c10d::ProcessGroupGloo>;

// As `Status` in ffi.rs.
enum Status { DONE = 0, FAILED = 1, PENDING = 2, LATE = 3 };
// As `Operation` in ffi.rs.
enum Operation { SUM = 0, BROADCAST = 1, GATHER = 2 };

// How often a rank looks whether another one has met a failure.
constexpr Milliseconds LOOK{250};

// What is thrown where an answer did not come in time.
struct Late : std::runtime_error {
  explicit Late(Milliseconds limit) : std::runtime_error("no answer within " + std::to_string(limit.count()) + " ms") {}
};

// Shared with the thread that answers for this rank while it computes.
struct Watch {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_over = false;
  // Collectives begun so far: who has begun fewer than the others is late.
  std::atomic<uint64_t> begun{0};
};

// Writes what went wrong into a buffer of Rust's, cut where it is full.
void tell(const std::string& what, char* text, size_t capacity) {
  if (text == nullptr || capacity == 0) return;
  size_t length = std::min(what.size(), capacity - 1);
  std::memcpy(text, what.data(), length);
  text[length] = 0;
}

// Runs `work` and turns what it throws into a status.
template <typename Work>
int guarded(char* text, size_t capacity, Work work) noexcept {
  try {
    return work();
  } catch (const Late& error) {
    tell(error.what(), text, capacity);
    return LATE;
  } catch (const c10::Error& error) {
    tell(error.what_without_backtrace(), text, capacity);
  } catch (const std::exception& error) {
    tell(error.what(), text, capacity);
  } catch (...) {
    tell("an exception of unknown type", text, capacity);
  }
  return FAILED;
}

// Threads and groups that are still in libtorch, with nobody to wait for them.
std::atomic<int> left_behind{0};

// Ends the process at once where some are: they would run on while the statics that they use are destroyed.
void end_at_once(int status, void*) {
  if (left_behind == 0) return;
  std::fflush(nullptr);
  _exit(status);
}

// Starts a thread that nobody waits for.
template <typename Work>
void detach(Work work) {
  static const int registered = on_exit(end_at_once, nullptr);
  (void)registered;
  ++left_behind;
  std::thread([work = std::move(work)]() mutable {
    {
      // What the work owns goes before the thread counts as gone.
      auto owned = std::move(work);
      owned();
    }
    --left_behind;
  }).detach();
}

// Runs `work`, which owns all that it uses, on a thread of its own; throws when it is late.
template <typename Work>
auto within(Milliseconds limit, Work work) -> decltype(work()) {
  auto task = std::make_shared<std::packaged_task<decltype(work())()>>(std::move(work));
  auto result = task->get_future();
  detach([task] { (*task)(); });
  if (result.wait_for(limit) != std::future_status::ready) {
    throw Late(limit);
  }
  return result.get();
}

std::vector<uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

// Says how far this rank is as soon as any rank has met a failure, even while this one computes.
void answer(const Store& store, const std::shared_ptr<Watch>& watch, int rank) noexcept {
  try {
    for (;;) {
      {
        std::unique_lock<std::mutex> lock(watch->mutex);
        if (watch->changed.wait_for(lock, LOOK, [&] { return watch->is_over; })) return;
      }
      if (store->check({"failure"})) {
        store->set("here/" + std::to_string(rank), bytes_of(std::to_string(watch->begun)));
        return;
      }
    }
  } catch (...) {
    // The store is gone: the main thread finds that out itself, and says so.
  }
}

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.rfind("127.", 0) == 0;
}

}  // namespace

struct thalweg_group {
  std::string address;
  int rank;
  int size;
  Milliseconds timeout;
  // How long an answer of the store may take, and how long once all have met: while ranks connect, it asks a name server for
  // the name of each (pytorch/pytorch issue 159007), and where none answers, glibc waits for ten seconds.
  Milliseconds answer;
  Milliseconds grace;
  Store store;
  Gloo gloo;
  c10::intrusive_ptr<c10d::Work> work;
  std::shared_ptr<Watch> watch = std::make_shared<Watch>();
};

extern "C" {

// Joins the store, or holds it; null when that failed.
thalweg_group* thalweg_group_open(const char* address, uint16_t port, int rank, int size, bool holds_store,
                                  const char* prefix, uint64_t timeout_ms, uint64_t answer_ms, char* text,
                                  size_t capacity) {
  thalweg_group* group = nullptr;
  guarded(text, capacity, [&]() -> int {
    // What fails is told once, by us, in a sentence; libtorch would print stacks as well.
    if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
    Milliseconds timeout{timeout_ms}, limit{answer_ms};
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = holds_store;
    // Who has come is looked at by name, not counted.
    options.waitWorkers = false;
    options.timeout = timeout;
    std::string host(address), keys(prefix);
    auto open = [host, keys, options]() -> std::pair<Store, Store> {
      Store tcp = c10::make_intrusive<c10d::TCPStore>(host, options);
      Store store = c10::make_intrusive<c10d::PrefixStore>(keys, tcp);
      return {store, store->clone()};
    };
    auto [store, second] = within(timeout + limit, open);
    auto made = std::make_unique<thalweg_group>();
    made->address = host;
    made->rank = rank;
    made->size = size;
    made->timeout = timeout;
    made->answer = timeout;
    made->grace = limit;
    made->store = store;
    detach([second = second, watch = made->watch, rank] { answer(second, watch, rank); });
    group = made.release();
    return DONE;
  });
  return group;
}

// Connects all ranks, once all have joined the store.
int thalweg_group_connect(thalweg_group* group, char* text, size_t capacity) {
  return guarded(text, capacity, [&]() -> int {
    Store store = group->store;
    std::string address = group->address;
    int rank = group->rank, size = group->size;
    Milliseconds timeout = group->timeout;
    group->gloo = within(timeout + group->grace, [store, address, rank, size, timeout]() -> Gloo {
      auto options = c10d::ProcessGroupGloo::Options::create(timeout);
      if (is_loopback(address) && std::getenv("GLOO_SOCKET_IFNAME") == nullptr) {
        // All ranks are on this machine, whatever its name resolves to.
        options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
        options->threads = 2;
      } else {
        options = c10d::ProcessGroupGloo::Options::create_default(timeout);
      }
      return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
    });
    group->answer = group->grace;
    return DONE;
  });
}

// Begins a collective; a broadcast is of rank `from`. The work keeps the tensors for as long as it needs them.
int thalweg_group_begin(thalweg_group* group, int operation, int from, at::Tensor* input, at::Tensor* output,
                        char* text, size_t capacity) {
  // libtorch 2.11 notes each collective in a recorder that is one for the process, and enters the group there before it locks
  // (FlightRecorder::recordWithResetEnabled): two groups that begin at once, as ranks on threads do, break it.
  static std::mutex recorder;
  return guarded(text, capacity, [&]() -> int {
    std::lock_guard<std::mutex> lock(recorder);
    ++group->watch->begun;
    std::vector<at::Tensor> tensors{*input};
    if (operation == SUM) {
      group->work = group->gloo->allreduce(tensors);
    } else if (operation == BROADCAST) {
      c10d::BroadcastOptions options;
      options.rootRank = from;
      group->work = group->gloo->broadcast(tensors, options);
    } else {
      std::vector<std::vector<at::Tensor>> outputs{output->unbind(0)};
      group->work = group->gloo->allgather(outputs, tensors);
    }
    return DONE;
  });
}

// Waits for what was begun, for some milliseconds.
int thalweg_group_wait(thalweg_group* group, uint64_t limit_ms, char* text, size_t capacity) {
  return guarded(text, capacity, [&]() -> int {
    try {
      group->work->wait(Milliseconds(limit_ms));
    } catch (...) {
      if (!group->work->isCompleted()) return PENDING;
      if (!group->work->isSuccess()) throw;
    }
    group->work.reset();
    return DONE;
  });
}

// Writes a key.
int thalweg_group_note(thalweg_group* group, const char* key, const char* value, char* text, size_t capacity) {
  return guarded(text, capacity, [&]() -> int {
    Store store = group->store;
    std::string name(key);
    std::vector<uint8_t> bytes = bytes_of(value);
    return within(group->answer, [store, name, bytes]() -> int {
      store->set(name, bytes);
      return DONE;
    });
  });
}

// Reads a key into the buffer; pending where nobody has written it.
int thalweg_group_look(thalweg_group* group, const char* key, char* text, size_t capacity) {
  return guarded(text, capacity, [&]() -> int {
    Store store = group->store;
    std::string name(key);
    auto [status, value] = within(group->answer, [store, name]() -> std::pair<int, std::string> {
      if (!store->check({name})) return {PENDING, ""};
      auto bytes = store->get(name);
      return {DONE, std::string(bytes.begin(), bytes.end())};
    });
    tell(value, text, capacity);
    return status;
  });
}

// Number of collectives that this rank has begun.
uint64_t thalweg_group_begun(const thalweg_group* group) {
  return group->watch->begun;
}

// Ends the group. After a failure its connections are left to the end of the process: taking them down would wait for
// collectives that never end.
void thalweg_group_close(thalweg_group* group, bool has_failed) {
  guarded(nullptr, 0, [&]() -> int {
    {
      std::lock_guard<std::mutex> lock(group->watch->mutex);
      group->watch->is_over = true;
    }
    group->watch->changed.notify_all();
    if (has_failed) {
      ++left_behind;
      return DONE;
    }
    std::unique_ptr<thalweg_group> owned(group);
    return DONE;
  });
}

}  // extern "C"
