"""Where Brazilians live: the 27 federative units with their people, cities, postal codes and area codes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """A federative unit. `people` in thousands (2022 census, rounded); `ceps` are ranges of five-digit prefixes."""

    uf: str
    name: str
    people: int
    ceps: tuple[tuple[int, int], ...]
    area_codes: tuple[int, ...]
    cities: tuple[str, ...]
    distance: int
    """From the shops' warehouse in São Paulo, 0 near to 4 far: decides freight and days on the road."""


def _state(uf: str, name: str, people: int, ceps: str, codes: str, cities: str, distance: int) -> State:
    ranges = tuple((int(low), int(high)) for low, high in (part.split("-") for part in ceps.split()))
    return State(uf, name, people, ranges, tuple(map(int, codes.split())), tuple(cities.split("|")), distance)


# CEP ranges and area codes as the postal service and the telephone numbering plan assign them.
STATES: tuple[State, ...] = (
    _state("AC", "Acre", 830, "69900-69999", "68", "Rio Branco|Cruzeiro do Sul|Sena Madureira", 4),
    _state("AL", "Alagoas", 3128, "57000-57999", "82", "Maceió|Arapiraca|Palmeira dos Índios", 3),
    _state("AP", "Amapá", 734, "68900-68999", "96", "Macapá|Santana", 4),
    _state("AM", "Amazonas", 3942, "69000-69299 69400-69899", "92 97", "Manaus|Parintins|Itacoatiara", 4),
    _state("BA", "Bahia", 14141, "40000-48999", "71 73 74 75 77", "Salvador|Feira de Santana|Vitória da Conquista|Ilhéus", 3),
    _state("CE", "Ceará", 8795, "60000-63999", "85 88", "Fortaleza|Caucaia|Juazeiro do Norte|Sobral", 3),
    _state("DF", "Distrito Federal", 2817, "70000-72799 73000-73699", "61", "Brasília", 2),
    _state("ES", "Espírito Santo", 3834, "29000-29999", "27 28", "Vitória|Vila Velha|Serra|Cariacica", 1),
    _state("GO", "Goiás", 7056, "72800-72999 73700-76799", "62 64", "Goiânia|Aparecida de Goiânia|Anápolis|Rio Verde", 2),
    _state("MA", "Maranhão", 6776, "65000-65999", "98 99", "São Luís|Imperatriz|Caxias", 4),
    _state("MT", "Mato Grosso", 3658, "78000-78899", "65 66", "Cuiabá|Várzea Grande|Rondonópolis|Sinop", 3),
    _state("MS", "Mato Grosso do Sul", 2757, "79000-79999", "67", "Campo Grande|Dourados|Três Lagoas", 2),
    _state("MG", "Minas Gerais", 20539, "30000-39999", "31 32 33 34 35 37 38",
           "Belo Horizonte|Uberlândia|Contagem|Juiz de Fora|Montes Claros|Poços de Caldas", 1),
    _state("PA", "Pará", 8120, "66000-68899", "91 93 94", "Belém|Ananindeua|Santarém|Marabá", 4),
    _state("PB", "Paraíba", 3975, "58000-58999", "83", "João Pessoa|Campina Grande|Patos", 3),
    _state("PR", "Paraná", 11444, "80000-87999", "41 42 43 44 45 46",
           "Curitiba|Londrina|Maringá|Ponta Grossa|Cascavel|Foz do Iguaçu", 1),
    _state("PE", "Pernambuco", 9059, "50000-56999", "81 87", "Recife|Jaboatão dos Guararapes|Olinda|Caruaru|Petrolina", 3),
    _state("PI", "Piauí", 3271, "64000-64999", "86 89", "Teresina|Parnaíba|Picos", 4),
    _state("RJ", "Rio de Janeiro", 16055, "20000-28999", "21 22 24",
           "Rio de Janeiro|Niterói|São Gonçalo|Duque de Caxias|Petrópolis|Campos dos Goytacazes", 1),
    _state("RN", "Rio Grande do Norte", 3303, "59000-59999", "84", "Natal|Mossoró|Parnamirim", 3),
    _state("RS", "Rio Grande do Sul", 10883, "90000-99999", "51 53 54 55",
           "Porto Alegre|Caxias do Sul|Pelotas|Santa Maria|Novo Hamburgo", 2),
    _state("RO", "Rondônia", 1581, "76800-76999", "69", "Porto Velho|Ji-Paraná|Ariquemes", 4),
    _state("RR", "Roraima", 637, "69300-69399", "95", "Boa Vista|Rorainópolis", 4),
    _state("SC", "Santa Catarina", 7610, "88000-89999", "47 48 49", "Florianópolis|Joinville|Blumenau|Chapecó|Itajaí", 1),
    _state("SP", "São Paulo", 44411, "01000-19999", "11 12 13 14 15 16 17 18 19",
           "São Paulo|Guarulhos|Campinas|São Bernardo do Campo|Santo André|Osasco|Sorocaba|Ribeirão Preto|"
           "São José dos Campos|Santos", 0),
    _state("SE", "Sergipe", 2210, "49000-49999", "79", "Aracaju|Nossa Senhora do Socorro|Lagarto", 3),
    _state("TO", "Tocantins", 1511, "77000-77999", "63", "Palmas|Araguaína|Gurupi", 3),
)  # fmt: skip

BY_UF = {state.uf: state for state in STATES}
