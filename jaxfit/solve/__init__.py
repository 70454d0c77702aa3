"""The engine: pure functions of arrays, batched over groups and starts; no names, no tables.

To add a stage, write one frozen dataclass in a file of its own, with `max_steps` and

- `init(f, z)`: the `State` of a start at z (P,), made with `begin`; no evaluation yet;
- `step(f, state)`: evaluate `state.trial`, keep the best point, propose the next trial;
- `done(state)`: a scalar bool; `max_steps` ends the loop whatever it says.

`natural = True` has it search the parameters themselves, not the logarithms of factors, and
`precision` names the floating-point type that it works in.

`f` is the `Objective` of one group. Batching is the caller's `vmap`. Add the class to `Stage`
in `presets.py`.
"""
