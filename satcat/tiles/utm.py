"""The transverse Mercator projection of UTM on WGS 84, by Krüger's series to the sixth order.

Formulas and coefficients: Karney, "Transverse Mercator with an accuracy of a few nanometers", J.
Geodesy 85 (2011), equations 7 to 36. Longitudes are degrees east of the zone's central meridian;
eastings have their false 500 km, northings count from the equator and are negative in the south.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

_FLATTENING = 1 / 298.257223563
_N = _FLATTENING / (2 - _FLATTENING)
_E = np.sqrt(_FLATTENING * (2 - _FLATTENING))
_RADIUS = 0.9996 * 6_378_137 / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64 + _N**6 / 256)
_FALSE_EASTING = 500_000.0

# Each row: the coefficients of n^j, n^(j+1), ... n^6 for j = 1 to 6.
_ALPHA = (
    (1 / 2, -2 / 3, 5 / 16, 41 / 180, -127 / 288, 7891 / 37800),
    (13 / 48, -3 / 5, 557 / 1440, 281 / 630, -1983433 / 1935360),
    (61 / 240, -103 / 140, 15061 / 26880, 167603 / 181440),
    (49561 / 161280, -179 / 168, 6601661 / 7257600),
    (34729 / 80640, -3418889 / 1995840),
    (212378941 / 319334400,),
)
_BETA = (
    (1 / 2, -2 / 3, 37 / 96, -1 / 360, -81 / 512, 96199 / 604800),
    (1 / 48, 1 / 15, -437 / 1440, 46 / 105, -1118711 / 3870720),
    (17 / 480, -37 / 840, -209 / 4480, 5569 / 90720),
    (4397 / 161280, -11 / 504, -830251 / 7257600),
    (4583 / 161280, -108847 / 3991680),
    (20648693 / 638668800,),
)


def _coefficients(table: tuple[tuple[float, ...], ...]) -> list[float]:
    return [
        sum(value * _N ** (order + power) for power, value in enumerate(row))
        for order, row in enumerate(table, start=1)
    ]


def project(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Easting and northing in metres of points in degrees."""
    tau = np.tan(np.radians(lat))
    conformal = _conformal(tau)
    cosine = np.cos(np.radians(lon))
    xi = np.arctan2(conformal, cosine)
    eta = np.arcsinh(np.sin(np.radians(lon)) / np.hypot(conformal, cosine))
    point = xi + 1j * eta
    for order, alpha in enumerate(_coefficients(_ALPHA), start=1):
        point = point + alpha * np.sin(2 * order * (xi + 1j * eta))
    return _FALSE_EASTING + _RADIUS * point.imag, _RADIUS * point.real


def unproject(easting: Array, northing: Array) -> tuple[Array, Array]:
    """Longitude and latitude in degrees of points in metres; the inverse of `project`."""
    point = (northing + 1j * (easting - _FALSE_EASTING)) / _RADIUS
    sphere = point
    for order, beta in enumerate(_coefficients(_BETA), start=1):
        sphere = sphere - beta * np.sin(2 * order * point)
    xi, eta = sphere.real, sphere.imag
    lon = np.arctan2(np.sinh(eta), np.cos(xi))
    conformal = np.sin(xi) / np.hypot(np.sinh(eta), np.cos(xi))
    tau = conformal / (1 - _E**2)
    for _ in range(3):  # Newton's method: two rounds reach full precision
        slope = (1 - _E**2) * np.hypot(1, tau) / (1 + (1 - _E**2) * tau**2)
        off = conformal - _conformal(tau)
        tau = tau + off / np.hypot(1, _conformal(tau)) / slope
    return np.degrees(lon), np.degrees(np.arctan(tau))


def _conformal(tau: Array) -> Array:
    """The tangent of the conformal latitude from that of the latitude."""
    sigma = np.sinh(_E * np.arctanh(_E * tau / np.hypot(1, tau)))
    return np.asarray(tau * np.hypot(1, sigma) - sigma * np.hypot(1, tau))
