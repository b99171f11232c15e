import { fleetHost, hostNameForm } from '../../names/names.ts'
import {
  anyObject,
  anyText,
  count,
  list,
  named,
  object,
  oneOf,
  optional,
  text,
  upTo,
  type TypeOf,
} from '../../shape/index.ts'
import { vmId } from '../elements/names.ts'
import { attachedDisks } from '../host/requests.ts'
import { anySpec } from '../host/vm.ts'
import type { Wire } from '../elements/wire.ts'
import { carriedRecord } from './carried-record.ts'
import { carriedOperations } from './carried-wire.ts'

/** More VMs than a host carries. */
const mostVms = 20_000

export const hostName = text(hostNameForm, '1 to 40 of a-z, 0-9 and -, with a letter or digit at both ends')

export const joinRequest = named(
  'JoinRequest',
  object({
    name: hostName,
    /** Of the join code. */
    secret: upTo(1024, 'the secret of a join code', /^[A-Za-z0-9_-]+$/),
    /** SubjectPublicKeyInfo of a P-256 key, DER, base64. */
    publicKey: upTo(1024, 'base64', /^[A-Za-z0-9+/]+={0,2}$/),
    /** ECDSA with SHA-256 over `joinStatement`, DER, base64: proves possession of the key. */
    proof: upTo(1024, 'base64', /^[A-Za-z0-9+/]+={0,2}$/),
  }),
)
export type JoinRequest = TypeOf<typeof joinRequest>

const hostCertificate = named('HostCertificate', object({ hostId: anyText, name: anyText, certificate: anyText }))
/** `certificate` is PEM. */
export type HostCertificate = TypeOf<typeof hostCertificate>

export const certificateRequest = object({})

export const beatRequest = named(
  'BeatRequest',
  object({
    /** Of the last answer that the host has carried out; absent if none. */
    revision: optional(count),
  }),
)

export type BeatRequest = TypeOf<typeof beatRequest>

/** Azure's word for what a guest experiences: it stops, and starts on another host, without its temporary disk. */
const plannedEvent = named(
  'PlannedEvent',
  object({
    id: anyText,
    type: oneOf('Redeploy'),
    status: oneOf('Scheduled', 'Started'),
    /** A time in ISO form: unless its guest or its owner approves, nothing happens before. */
    notBefore: anyText,
  }),
)
export type PlannedEvent = TypeOf<typeof plannedEvent>

const wanted = oneOf('Running', 'Stopped')
const vmOrder = named(
  'VmOrder',
  object({
    vmId,
    epoch: count,
    wanted,
    /** Incremented with each requested start: a running VM is restarted. */
    run: count,
    /** For a guest, with its placement. */
    spec: optional(anySpec),
    /** For a guest that another host, or this one, has already created: that host's last report. */
    record: optional(carriedRecord),
    /** Of a guest, for its next boot; a running one's are set by a call to its host. */
    dataDisks: optional(attachedDisks),
    /** What is planned for it, for its guest to read. */
    event: optional(plannedEvent),
  }),
)
export type VmOrder = TypeOf<typeof vmOrder>

const hostCall = object({
  id: anyText,
  vmId,
  method: oneOf('GET', 'POST', 'PUT'),
  /** On the host's own wire. */
  path: anyText,
  body: optional(anyObject),
})
/** A request to a host while it carries the VM; answered at /answer. */
export type HostCall = TypeOf<typeof hostCall>

const beatAnswer = named(
  'BeatAnswer',
  object({
    /** Counted from the sending of the request, by the time since the host's boot. */
    leaseSeconds: count,
    revision: count,
    /** Everything the host must carry; absent if it knows the revision. The host ends all other VMs. */
    carry: optional(list(vmOrder)),
    /** Requests to the host. */
    calls: optional(list(hostCall)),
  }),
)
export type BeatAnswer = TypeOf<typeof beatAnswer>

const vmReport = named('VmReport', object({ vmId, epoch: count, run: count, state: oneOf('Ready', 'Stopped') }))
export type VmReport = TypeOf<typeof vmReport>

export const vmsReport = named('VmsReport', object({ vms: list(vmReport, { most: mostVms }) }))
export type VmsReport = TypeOf<typeof vmsReport>

const reportAnswer = named(
  'ReportAnswer',
  object({
    /** VMs in the report that this host does not carry at that epoch. The report on them is ignored. */
    over: list(vmId),
  }),
)
export type ReportAnswer = TypeOf<typeof reportAnswer>

/** Between joined hosts and the control plane. */
export const fleetWire: Wire = {
  name: 'fleet',
  version: '1',
  title: 'Fleet',
  about:
    'Between joined hosts and the control plane, on the address of `--fleet-address`. Hosts call and are never ' +
    'called. A host presents the certificate from its join; /ca and /join accept callers without one: the host ' +
    'checks the CA against the hash in the join code, and a code works once. Requests about a VM are answered ' +
    'only to the host that carries it, at the epoch of its current placement.',
  server: `https://${fleetHost}`,
  security: 'certificate',
  operations: [
    {
      method: 'GET',
      path: '/ca',
      summary: 'The installation’s authority',
      status: 200,
      answer: anyText,
      answerType: 'application/x-pem-file',
    },
    {
      method: 'POST',
      path: '/join',
      summary: 'Redeems a join code, once; repeatable with the same key',
      body: joinRequest,
      status: 200,
      answer: hostCertificate,
      errors: ['JoinCodeRefused', 'HostKeyInvalid'],
    },
    {
      method: 'POST',
      path: '/certificate',
      summary: 'A new certificate for the same key',
      body: certificateRequest,
      bodyIsOptional: true,
      status: 200,
      answer: hostCertificate,
      errors: ['HostNotAuthenticated'],
    },
    {
      method: 'POST',
      path: '/beat',
      summary: 'Renews the host’s lease; long poll while there is nothing new',
      body: beatRequest,
      status: 200,
      answer: beatAnswer,
      errors: ['HostNotAuthenticated'],
    },
    {
      method: 'POST',
      path: '/report',
      summary: 'The state of the host’s VMs',
      body: vmsReport,
      status: 200,
      answer: reportAnswer,
      errors: ['HostNotAuthenticated'],
    },
    ...carriedOperations,
  ],
}
