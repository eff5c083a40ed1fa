#include "fovea/nn/checkpoint.h"

namespace fovea::nn {
namespace {

thread_local bool checkpointing = false;

struct Recompute : torch::autograd::Function<Recompute> {
  using Layer = std::function<at::Tensor(const at::Tensor&)>;
  struct Holder : torch::CustomClassHolder {
    explicit Holder(Layer f) : layer(std::move(f)) {}
    Layer layer;
  };
  // `mark` requires a gradient, so that the layer is gone through backwards even where its input needs none and only its parameters do.
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x, const at::Tensor& /*mark*/, const c10::intrusive_ptr<Holder>& holder) {
    ctx->save_for_backward({x});
    ctx->saved_data["layer"] = torch::IValue::make_capsule(holder);
    ctx->saved_data["wants_input"] = x.requires_grad();
    // Layers choose faster ways without gradients; those must not be taken here, or the second pass would differ.
    at::AutoGradMode on(true);
    return holder->layer(x.detach()).detach();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    auto x = ctx->get_saved_variables()[0].detach();
    const bool wants_input = ctx->saved_data["wants_input"].toBool();
    x.set_requires_grad(wants_input);
    const auto holder = c10::static_intrusive_pointer_cast<Holder>(ctx->saved_data["layer"].toCapsule());
    {
      at::AutoGradMode on(true);
      const CheckpointGuard once(false);
      const auto y = holder->layer(x);
      if (y.requires_grad()) torch::autograd::backward({y}, {grads[0]});
    }
    return {wants_input ? x.grad() : at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

CheckpointGuard::CheckpointGuard(bool on) : before_(checkpointing) { checkpointing = on; }
CheckpointGuard::~CheckpointGuard() { checkpointing = before_; }
bool CheckpointGuard::is_on() { return checkpointing; }

at::Tensor detail::checkpointed(std::function<at::Tensor(const at::Tensor&)> layer, const at::Tensor& x) {
  const auto mark = at::zeros({1}, x.options().dtype(at::kFloat)).set_requires_grad(true);
  return Recompute::apply(x, mark, c10::make_intrusive<Recompute::Holder>(std::move(layer)));
}

}  // namespace fovea::nn
