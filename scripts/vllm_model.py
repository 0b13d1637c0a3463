"""Makes what `scripts/real-vllm` serves: a model's folder out of a GGUF file, and an adapter for it.

It runs in an environment that holds vLLM, and transformers and safetensors with it. The adapter is a random one, in the
format of peft: it speaks no better than the model, but otherwise, so that an answer shows which of the two gave it.
"""

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

RANK = 8
TARGETS = ("q_proj", "v_proj")
STRENGTH = 0.5
"""How large the adapter's change is beside the weights that it changes."""
SEED = 2024


def make_model(weights: Path, folder: Path) -> None:
    """Write the model of a GGUF file as transformers keeps one, its quantised weights made whole again."""
    transformers = importlib.import_module("transformers")
    torch = importlib.import_module("torch")
    place: dict[str, Any] = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        **place, quantization_config=transformers.GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(**place).save_pretrained(folder)


def make_adapter(model: Path, folder: Path) -> None:
    """Write a random LoRA adapter for the model in ``model``: the same one each time."""
    torch = importlib.import_module("torch")
    safetensors = importlib.import_module("safetensors.torch")
    random = torch.Generator().manual_seed(SEED)
    tensors: dict[str, Any] = {}
    for name, weight in safetensors.load_file(model / "model.safetensors").items():
        module = name.removesuffix(".weight")
        if not module.endswith(TARGETS):
            continue
        rows, columns = weight.shape
        size = STRENGTH * float(weight.float().std()) / RANK**0.5
        down = torch.randn(RANK, columns, generator=random)
        up = torch.randn(rows, RANK, generator=random) * size
        tensors[f"base_model.model.{module}.lora_A.weight"] = down.to(torch.bfloat16)
        tensors[f"base_model.model.{module}.lora_B.weight"] = up.to(torch.bfloat16)
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(model),
        "r": RANK,
        "lora_alpha": RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(TARGETS),
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a model's folder of a GGUF file, and a random adapter for it.")
    parser.add_argument("--weights", type=Path, required=True, help="the GGUF file")
    parser.add_argument("--model", type=Path, required=True, help="the folder to write the model to")
    parser.add_argument("--adapter", type=Path, required=True, help="the folder to write the adapter to")
    options = parser.parse_args()
    make_model(options.weights, options.model)
    make_adapter(options.model, options.adapter)


if __name__ == "__main__":
    main()
