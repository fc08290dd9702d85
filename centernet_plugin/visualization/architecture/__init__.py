"""Pictures of networks, drawn from what their modules do with an image."""

from .build import network_graph
from .graph import Edge, Graph, Node, build_graph
from .picture import draw_graph
from .trace import trace

__all__ = ['Edge', 'Graph', 'Node', 'build_graph', 'draw_graph', 'network_graph', 'trace']
