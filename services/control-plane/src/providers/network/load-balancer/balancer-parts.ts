import type { Fields } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Json, Resource } from '../../../store/resources.ts'
import { invalidName, referenceProblem } from '../resource/provider.ts'

export const balancerType = 'Microsoft.Network/loadBalancers'

/** The parts of a load balancer, each a list in its row and a child resource on the wire. */
export const partKinds = [
  'frontendIPConfigurations',
  'backendAddressPools',
  'probes',
  'loadBalancingRules',
  'inboundNatRules',
  'outboundRules',
] as const
export type PartKind = (typeof partKinds)[number]

/** Whether Azure lets parts of the kind be written separately; others are written with their load balancer only. */
export const isWritten = (kind: PartKind): boolean => kind === 'backendAddressPools' || kind === 'inboundNatRules'

export interface Part extends Json {
  name: string
  id: string
  type: string
  properties: Json
}

export const partsOf = (balancer: Pick<Resource, 'body'>, kind: PartKind): Part[] =>
  (balancer.body.properties[kind] ?? []) as Part[]

/** Limits per load balancer: parts are compared with each other. */
const mostOf: Record<PartKind, number> = {
  frontendIPConfigurations: 100,
  backendAddressPools: 500,
  probes: 500,
  loadBalancingRules: 500,
  inboundNatRules: 500,
  outboundRules: 500,
}
/** How many an interface may be in. */
const mostPools = 10

/** Ports that rules use on a frontend per protocol: `Tcp …/frontendipconfigurations/f`. */
type Taken = Map<string, { first: number; last: number; rule: string }[]>

/** The list; one that is too long is a problem, and its entries are not examined. */
function bounded(fields: Fields, name: string, most: number): Fields[] {
  const raw = fields.raw(name)
  if (!Array.isArray(raw) || raw.length <= most) return fields.list(name, most)
  fields.invalid(fields.at(name), `'${name}' has more than ${most} entries.`, {
    expected: `at most ${most}`,
    found: String(raw.length),
    remedy: 'Name fewer.',
  })
  return []
}

/** A load balancer's parts of one kind, as in a request. */
export const listed = (fields: Fields, kind: PartKind): Fields[] => bounded(fields, kind, mostOf[kind])

/** The pools named by an IP configuration. */
export const poolsNamed = (configuration: Fields): Fields[] =>
  bounded(configuration, 'loadBalancerBackendAddressPools', mostPools)

/**
 * The parts of a load balancer as stored, each validated by itself and against the others. Frontends are completed by
 * the code that knows addresses. Problems are added to `fields`.
 * @param id of the load balancer
 */
export function readParts(id: string, fields: Fields): Record<PartKind, Part[]> {
  const parts = Object.fromEntries(partKinds.map((kind) => [kind, namedParts(id, kind, fields)])) as Record<
    PartKind,
    Part[]
  >
  const known = new Set(partKinds.flatMap((kind) => parts[kind].map((part) => keyOf(part.id))))
  const taken: Taken = new Map()
  for (const probe of listed(fields, 'probes')) readProbe(probe.object('properties'))
  for (const kind of ['loadBalancingRules', 'inboundNatRules'] as const)
    for (const rule of listed(fields, kind)) readRule(kind, rule, taken)
  for (const rule of listed(fields, 'outboundRules'))
    required(rule.object('properties'), rule.object('properties').oneOf('protocol', ['Tcp', 'Udp', 'All']), 'protocol')
  for (const kind of ['loadBalancingRules', 'inboundNatRules', 'outboundRules'] as const)
    for (const rule of listed(fields, kind)) checkReferences(rule.object('properties'), kind, known)
  if (fields.list('inboundNatPools', 100).length > 0) refuseOffered(fields, 'inboundNatPools', 'inbound NAT rules')
  for (const pool of listed(fields, 'backendAddressPools'))
    if (pool.object('properties').list('loadBalancerBackendAddresses', 100).length > 0)
      refuseOffered(pool.object('properties'), 'loadBalancerBackendAddresses', 'interfaces that name the pool')
  return parts
}

function namedParts(id: string, kind: PartKind, fields: Fields): Part[] {
  const names = new Set<string>()
  return listed(fields, kind).map((part) => {
    const name = part.text('name') ?? ''
    if (!/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?$/.test(name)) throw invalidName(name)
    if (names.has(name.toLowerCase()))
      part.invalid(part.at('name'), `The load balancer has two ${kind} of the name ${name}.`, {
        expected: 'a unique name for each',
        found: name,
        remedy: 'Rename one.',
      })
    names.add(name.toLowerCase())
    // References to a part are stored where they are made.
    const {
      backendIPConfigurations: _members,
      loadBalancingRules: _rules,
      ...given
    } = (part.raw('properties') ?? {}) as Json
    const properties = { ...given, ...numbersOf(part.object('properties')), provisioningState: 'Succeeded' }
    return { name, id: `${id}/${kind}/${name}`, type: `${balancerType}/${kind}`, properties }
  })
}

/** Clients also send numbers as text. */
const numbersOf = (properties: Fields): Json =>
  Object.fromEntries(
    ['frontendPort', 'backendPort', 'frontendPortRangeStart', 'frontendPortRangeEnd', 'port']
      .filter((name) => properties.has(name))
      .map((name) => [name, properties.integer(name, 0, 65_535)]),
  )

function readProbe(probe: Fields): void {
  const protocol = required(probe, probe.oneOf('protocol', ['Tcp', 'Http', 'Https']), 'protocol')
  required(probe, probe.integer('port', 1, 65_535), 'port')
  if (protocol !== undefined && protocol !== 'Tcp') required(probe, probe.text('requestPath'), 'requestPath')
}

function readRule(kind: 'loadBalancingRules' | 'inboundNatRules', rule: Fields, taken: Taken): void {
  const properties = rule.object('properties')
  const name = rule.text('name') ?? ''
  const protocol = required(properties, properties.oneOf('protocol', ['Tcp', 'Udp', 'All']), 'protocol')
  required(properties, properties.integer('backendPort', 0, 65_535), 'backendPort')
  const ranged = kind === 'inboundNatRules' && properties.has('frontendPortRangeStart')
  const first = ranged
    ? properties.integer('frontendPortRangeStart', 1, 65_534)
    : required(properties, properties.integer('frontendPort', 0, 65_534), 'frontendPort')
  const last = ranged
    ? required(properties, properties.integer('frontendPortRangeEnd', first ?? 1, 65_534), 'frontendPortRangeEnd')
    : first
  if (protocol === undefined || first === undefined || last === undefined) return
  const frontend = keyOf(properties.object('frontendIPConfiguration').text('id') ?? '')
  for (const each of protocol === 'All' ? ['Tcp', 'Udp'] : [protocol]) {
    const slots = taken.get(`${each} ${frontend}`) ?? []
    const other = slots.find((slot) => first <= slot.last && slot.first <= last)
    taken.set(`${each} ${frontend}`, [...slots, { first, last, rule: name }])
    if (other === undefined) continue
    const port = Math.max(first, other.first)
    rule.problem({
      code: 'RulesUseSameFrontendPortProtocolAndVip',
      message: `Load balancing rules ${other.rule} and ${name} use the same frontend IP configuration, protocol and port ${port}.`,
      target: properties.at(ranged ? 'frontendPortRangeStart' : 'frontendPort'),
      expected: 'a unique port for each rule of a frontend',
      found: String(port),
      remedy: 'Change the port of one.',
    })
    return
  }
}

/** What a rule names must be part of the same load balancer. */
function checkReferences(properties: Fields, kind: PartKind, known: ReadonlySet<string>): void {
  const named = [
    [kind === 'outboundRules' ? '' : 'frontendIPConfiguration', true],
    ['backendAddressPool', kind === 'outboundRules'],
    ['probe', false],
  ] as const
  for (const [member, needed] of named) {
    if (member === '') continue
    const reference = properties.object(member)
    const id = reference.text('id')
    if (needed) required(properties, id, member)
    if (id !== undefined && !known.has(keyOf(id)))
      reference.problem(referenceProblem(reference.at('id'), id.slice(0, 300)))
  }
  for (const member of ['frontendIPConfigurations', 'backendAddressPools'])
    for (const reference of properties.list(member, 500)) {
      const id = reference.text('id') ?? ''
      if (!known.has(keyOf(id))) reference.problem(referenceProblem(reference.at('id'), id.slice(0, 300)))
    }
}

function required<T>(fields: Fields, value: T | undefined, member: string): T | undefined {
  if (value === undefined && !fields.has(member))
    fields.missing(member, fields.at(member), { expected: member, found: 'nothing', remedy: 'Name it.' })
  return value
}

function refuseOffered(fields: Fields, member: string, instead: string): void {
  fields.unsupported(fields.at(member), `'${member}' is not offered.`, {
    expected: `no ${member}`,
    found: 'some',
    remedy: `Use ${instead}.`,
  })
}
