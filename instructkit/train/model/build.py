"""The model of a training, made and tried out."""

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
from instructkit.train.step.parallel import probe_device


def build_runner(config: Training, chat: ChatFormat, data: TrainingData, plan: Plan) -> tuple[Runner, Adapted]:
    """A runner of the model to be trained, and what a step has to do for its adapter. Raises TrainingError."""
    adapted = make_trainable(prepare_model(config, chat), config, plan.steps, chat.tokenizer)
    model = adapted.model.to(probe_device(adapted.model))
    return make_runner(model, int(data.lengths.max()), compute_dtype(config.precision, model.device)), adapted
