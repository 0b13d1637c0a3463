"""The other gateways: one file each, installed into a cache folder each, reported by name when they will not run."""

from bench.peers.litellm import LiteLLM
from bench.peers.portkey import Portkey
from bench.peers.smg import ShepherdModelGateway
from bench.peers.tensorzero import TensorZero
from bench.subjects import Subject

PEERS: tuple[Subject, ...] = (ShepherdModelGateway(), TensorZero(), Portkey(), LiteLLM())
