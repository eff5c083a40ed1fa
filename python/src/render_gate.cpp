#include "render_gate.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace fovea::python {

namespace {

std::atomic<int> num_inside{0};
std::atomic<bool> closed{false};
thread_local int depth = 0;  // a thread that forks from within a call does not wait for itself

void close_gate() {
  closed.store(true);
  while (num_inside.load() > depth) std::this_thread::sleep_for(std::chrono::microseconds(50));
}
void open_in_parent() { closed.store(false); }
void open_in_child() {
  num_inside.store(depth);
  closed.store(false);
}

}  // namespace

RenderGate::RenderGate() {
  static const int registered = pthread_atfork(close_gate, open_in_parent, open_in_child);
  (void)registered;
  if (depth++ > 0) {
    ++num_inside;
    return;
  }
  for (;;) {
    while (closed.load()) std::this_thread::sleep_for(std::chrono::microseconds(50));
    ++num_inside;
    if (!closed.load()) return;
    --num_inside;
  }
}

RenderGate::~RenderGate() {
  --num_inside;
  --depth;
}

}  // namespace fovea::python
