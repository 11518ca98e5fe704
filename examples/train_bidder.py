"""Train a bidder with plain PyTorch, PPO in one file: python examples/train_bidder.py [UPDATES]."""

import sys

import gymnasium
import numpy as np
import torch
from torch import nn

import adsim  # noqa: F401 - registers the environments

torch.manual_seed(0), torch.set_num_threads(1)
envs = gymnasium.make_vec("adsim/Bidding-v0", 64, "vector_entry_point", scenario="display_rtb")
size = envs.single_observation_space.shape[0]
body = nn.Sequential(nn.Linear(size, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
mean, value = nn.Linear(64, 1), nn.Linear(64, 1)
deviation = nn.Parameter(torch.tensor(-1.5))
optimizer = torch.optim.Adam([*body.parameters(), *mean.parameters(), *value.parameters(), deviation], lr=3e-3)

for update in range(int(sys.argv[1]) if len(sys.argv) > 1 else 60):
    (observation, info), over = envs.reset(seed=10**9 + 64 * update), False
    budget, seen, acted, earned = info["budget_left"], [], [], []
    while not np.any(over):
        seen.append(torch.as_tensor(observation))
        with torch.no_grad():
            acted.append(torch.normal(mean(body(seen[-1])), deviation.exp()))
        observation, reward, over, _, info = envs.step(acted[-1].numpy())
        earned.append(torch.as_tensor(reward / budget, dtype=torch.float32))
    print(f"{(update + 1) * 64 * len(seen):9,} steps   score {info['score'].mean():7.1f}")  # noqa: T201
    states, actions, before = torch.stack(seen), torch.stack(acted), None
    returns = torch.stack(earned).flip(0).cumsum(0).flip(0).unsqueeze(-1)
    for _ in range(10):
        features = body(states)
        likelihood = torch.distributions.Normal(mean(features), deviation.exp()).log_prob(actions)
        before = likelihood.detach() if before is None else before
        gap = returns - value(features)
        gain, ratio = (gap.detach() - gap.detach().mean()) / gap.detach().std(), (likelihood - before).exp()
        loss = gap.square().mean() - torch.min(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()
        optimizer.zero_grad(), loss.backward(), optimizer.step()
