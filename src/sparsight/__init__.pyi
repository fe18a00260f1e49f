from .data import Task as Task, data_source as data_source
from .errors import InputError as InputError
from .figures import (
    plot_cavity_distributions as plot_cavity_distributions,
    plot_cavity_map as plot_cavity_map,
    plot_controls as plot_controls,
    plot_differences as plot_differences,
    plot_fan_in as plot_fan_in,
    plot_fan_out as plot_fan_out,
    plot_locality_levels as plot_locality_levels,
    plot_locality_map as plot_locality_map,
    plot_locality_profile as plot_locality_profile,
    plot_over_density as plot_over_density,
    plot_preactivations as plot_preactivations,
    plot_receptive_fields as plot_receptive_fields,
)
from .geometry import Geometry as Geometry
from .instruments import instrument as instrument, measure_network as measure_network
from .measure import (
    Chain as Chain,
    MarkovChain as MarkovChain,
    calibration as calibration,
    cavity as cavity,
    certified_bounds as certified_bounds,
    certified_radius as certified_radius,
    exact_cavity_of_chain as exact_cavity_of_chain,
    example_penalty as example_penalty,
    far_from_data as far_from_data,
    gaussianity as gaussianity,
    ising_chain as ising_chain,
    joint_log_likelihood as joint_log_likelihood,
    joint_nll as joint_nll,
    learn_rule as learn_rule,
    locality as locality,
    noise_moments as noise_moments,
    pgd_accuracy as pgd_accuracy,
    ridge_readout as ridge_readout,
    tangent_kernel as tangent_kernel,
    verified_accuracy as verified_accuracy,
)
from .network import (
    FullyConnected as FullyConnected,
    NetworkSettings as NetworkSettings,
    chain_of as chain_of,
    initialise_ as initialise_,
)
from .prune import (
    Level as Level,
    PruningSettings as PruningSettings,
    criterion as criterion,
    imp as imp,
    train_masked as train_masked,
)
from .recipe import load_recipe as load_recipe
from .report import (
    ticket_table as ticket_table,
    transfer_table as transfer_table,
    write_figures as write_figures,
    write_movie as write_movie,
    write_report as write_report,
)
from .run import network_leak as network_leak, run_recipe as run_recipe
from .sparse import SparseLinear as SparseLinear, densify as densify, sparsify as sparsify
from .store import intervals_by_level as intervals_by_level, open_run as open_run
from .sweep import open_sweep as open_sweep
from .train import LinearPath as LinearPath, TrainingSettings as TrainingSettings, connect as connect
