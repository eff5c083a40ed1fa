// Fork safety: a process that forks (a DataLoader's workers, multiprocessing) must not do so while another thread holds a lock of the
// renderer, of fontconfig or of ICU: the child would wait for it for ever. Calls into the renderer pass this gate; fork() closes it and
// waits until the last call has left. Threads of a call end with it, so none is inherited.
#pragma once

namespace fovea::python {

class RenderGate {
 public:
  RenderGate();
  ~RenderGate();
  RenderGate(const RenderGate&) = delete;
  RenderGate& operator=(const RenderGate&) = delete;
};

}  // namespace fovea::python
