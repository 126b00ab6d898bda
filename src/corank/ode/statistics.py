"""What a solve cost, counted where it happens: by the field that is called, not by the method that calls it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class Statistics:
    """Counts of one solve; those of the backward pass are filled in when it runs.

    Attributes:
        gradient: the method that gives the gradient; "none" where none was needed. `auto` names its choice.
        evaluations_forward: evaluations of the field.
        evaluations_backward: evaluations of the field in the backward pass, each with its vector-Jacobian product;
            several states evaluated in one call count one by one. Backpropagation evaluates nothing again.
        steps: accepted steps.
        rejections: rejected steps.
        steps_backward: accepted steps of the adjoint's solve.
        rejections_backward: its rejected steps.
        nodes: stored states that the backward pass interpolates between, of all intervals.
        interpolation_error: the estimated error of that interpolation, relative to the states' root mean square.
        quadrature_nodes: evaluations of the integrand of the parameters' gradient, of all intervals.
        note: what else is to be said, for example why `auto` changed its mind.
    """

    gradient: str = "none"
    evaluations_forward: int = 0
    evaluations_backward: int = 0
    steps: int = 0
    rejections: int = 0
    steps_backward: int = 0
    rejections_backward: int = 0
    nodes: int = 0
    interpolation_error: float | None = None
    quadrature_nodes: int = 0
    note: str = ""
