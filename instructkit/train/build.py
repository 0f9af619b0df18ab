"""What a training is made of in memory: its model, tried out, and what makes its steps."""

from __future__ import annotations

from instructkit.chat.rendering import ChatFormat
from instructkit.models.load import compute_dtype
from instructkit.models.runner import Runner, make_runner
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData
from instructkit.train.data.plan import Plan
from instructkit.train.model.adapters import Adapted
from instructkit.train.model.prepare import prepare_model
from instructkit.train.model.trainable import make_trainable
from instructkit.train.step.optimizer import make_optimizer
from instructkit.train.step.parallel import make_parallel, probe_device
from instructkit.train.step.ranks import Ranks
from instructkit.train.step.stepper import Stepper, no_batch


def build_runner(config: Training, chat: ChatFormat, data: TrainingData, plan: Plan) -> tuple[Runner, Adapted]:
    """A runner of the model to be trained, and what a step has to do for its adapter. Raises TrainingError."""
    adapted = make_trainable(prepare_model(config, chat), config, plan.steps, chat.tokenizer)
    model = adapted.model.to(probe_device(adapted.model))
    return make_runner(model, int(data.lengths.max()), compute_dtype(config.precision, model.device)), adapted


def make_stepper(
    runner: Runner, adapted: Adapted, config: Training, data: TrainingData, plan: Plan, ranks: Ranks | None = None
) -> Stepper:
    """What makes the steps: the model spread over the ranks here, with a new optimizer. Raises TrainingError."""
    parallel = make_parallel(runner, config, ranks or Ranks(), no_batch(runner, data))
    return Stepper(
        parallel=parallel,
        optimizer=make_optimizer(runner.model, config),
        data=data,
        plan=plan,
        config=config,
        before_update=adapted.before_update,
        after_update=adapted.after_update,
    )
