"""Which knobs separate the best configs of a search from the others, by Optuna's PED-ANOVA.

It sees what the search happened to try, in one process each, so like the effects of single knobs it explains and
proves nothing (https://arxiv.org/abs/2304.10255).
"""

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from autotp.tuning.study.study import PastTrial

BEST_SHARE = 0.25
FEWEST = 20  # configs, so that five are among the best
OPEN = "OpenVINO's choice"


def importance_of(trials: Sequence[PastTrial], maximize: bool) -> Mapping[str, float]:
    """Return each knob's share in what separates the best quarter of `trials`, the largest first.

    It is empty if `trials` are too few to tell. Knobs that all of them have the same value of are left out.
    """
    settings = [trial.config.to_dict() for trial in trials]
    choices = {
        name: tuple(dict.fromkeys(str(one.get(name, OPEN)) for one in settings))
        for name in dict.fromkeys(name for one in settings for name in one)
    }
    varied = {name: CategoricalDistribution(values) for name, values in choices.items() if len(values) > 1}
    if len(trials) < FEWEST or not varied:
        return {}
    study = optuna.create_study(direction="maximize" if maximize else "minimize")
    for trial, one in zip(trials, settings, strict=True):
        params = {name: str(one.get(name, OPEN)) for name in varied}
        study.add_trial(create_trial(params=params, distributions=dict(varied), value=trial.values[0]))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
    return {name: round(share, 4) for name, share in get_param_importances(study, evaluator=evaluator).items()}
