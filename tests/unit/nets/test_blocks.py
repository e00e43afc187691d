import math

import pytest
import torch
from torch import nn

from ldae.nets.blocks import (
    Attention,
    BlockOptions,
    ResBlock,
    multi_head_attention,
    time_embedding,
)

PLAIN = BlockOptions(embedding_dim=8, norm_groups=2, dropout=0, heads=2, semantic=False)
SEMANTIC = BlockOptions(embedding_dim=8, norm_groups=2, dropout=0, heads=2, semantic=True)


def test_time_embedding_is_cosines_then_sines_then_padding() -> None:
    embedding = time_embedding(torch.tensor([0, 3]), 5)
    assert embedding[0].tolist() == [1, 1, 0, 0, 0]
    expected = [math.cos(3), math.cos(0.03), math.sin(3), math.sin(0.03), 0]
    torch.testing.assert_close(embedding[1], torch.tensor(expected))


def test_attention_of_equal_tokens_averages_the_values() -> None:
    qkv = torch.randn(2, 7, 3 * 4)
    for head in range(2):
        qkv[..., head * 6 : head * 6 + 4] = 1.0  # the same query and key for every token
    values = torch.cat([qkv[..., 4:6], qkv[..., 10:12]], dim=-1)
    expected = values.mean(1, keepdim=True).expand(-1, 7, -1)
    torch.testing.assert_close(multi_head_attention(qkv, heads=2), expected)


def test_attention_follows_a_permutation_of_voxels() -> None:
    attention = Attention(4, options=PLAIN)
    nn.init.normal_(attention.project.weight)
    x = torch.randn(1, 4, 2, 3, 2)
    torch.testing.assert_close(attention(x.flip(2, 4)), attention(x).flip(2, 4))


def test_attention_refuses_heads_that_do_not_divide_the_channels() -> None:
    options = BlockOptions(embedding_dim=8, norm_groups=2, dropout=0, heads=4, semantic=False)
    with pytest.raises(ValueError, match="6 channels do not divide into 4 heads"):
        Attention(6, options=options)


def test_a_new_residual_block_is_its_resampled_skip() -> None:
    x, time = torch.randn(2, 4, 4, 4, 4), torch.randn(2, 8)
    torch.testing.assert_close(ResBlock(4, 4, options=PLAIN)(x, time, None), x)
    pool = nn.AvgPool3d((1, 2, 2))
    down = ResBlock(4, 4, options=PLAIN, resample=pool)
    torch.testing.assert_close(down(x, time, None), pool(x))


def test_time_modulates_inside_and_the_code_outside() -> None:
    block = ResBlock(4, 4, options=SEMANTIC)
    seen = []
    block.dropout.register_forward_hook(lambda _, __, h: seen.append(h))
    x, time, code = torch.randn(1, 4, 3, 3, 3), torch.randn(1, 8), torch.randn(1, 8)
    block(x, time, code)
    h = block.norm_out(block.conv_in(torch.nn.functional.silu(block.norm_in(x))))
    (scale, shift), (code_scale, code_shift) = block.time(time), block.semantic(code)
    expected = code_scale * (h * scale + shift) + code_shift
    torch.testing.assert_close(seen[0], torch.nn.functional.silu(expected))
