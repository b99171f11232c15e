import {
  anyObject,
  anyText,
  count,
  exactly,
  flag,
  integer,
  list,
  named,
  object,
  oneOf,
  optional,
  text,
  upTo,
  type TypeOf,
} from '../../shape/index.ts'
import { line, lowerCaseGuid, ownId, registers, sha256 as digest, tee, vmId } from '../elements/names.ts'
import { instanceStatus } from '../host/status.ts'
import { carriedRecord } from './carried-record.ts'
import type { WireOperation } from '../elements/wire.ts'

/** Of the Upgrade header. */
export const fleetStream = 'strongroom-fleet'

/** A guest state of 4 MiB and what JSON needs for it. */
export const largestCarriedBody = 8 * 1024 * 1024

/** The VM that a host asks about: answered only to the host that carries it, at this epoch. */
const carried = { vmId, epoch: integer(1, Number.MAX_SAFE_INTEGER) }
const base64 = upTo(6_000_000, 'base64', /^[A-Za-z0-9+/]*={0,2}$/)

const fleetInstallation = named(
  'FleetInstallation',
  object({ tenantId: anyText, subscriptionId: anyText, compute: oneOf('guests', 'simulated') }),
)
export type FleetInstallation = TypeOf<typeof fleetInstallation>

export const carriedInstance = named(
  'CarriedInstance',
  object({
    ...carried,
    run: count,
    status: instanceStatus,
    record: carriedRecord,
    /** Of its last boot, if there was another since the last call. */
    evidence: optional(anyObject),
  }),
)
export type CarriedInstance = TypeOf<typeof carriedInstance>

export const carriedCall = named(
  'CarriedCall',
  object({
    ...carried,
    method: oneOf('GET', 'POST'),
    url: upTo(2048, 'a URL', /^https?:\/\/[\x21-\x7e]+$/),
    body: optional(anyObject),
  }),
)
/** Requests to a VM's attestation provider, key and managed identities: with the platform's rights, which a host lacks. */
export type CarriedCall = TypeOf<typeof carriedCall>
const carriedAnswer = named('CarriedAnswer', object({ body: anyObject }))

export const carriedKey = named(
  'CarriedKey',
  object({ ...carried, usage: oneOf('attestationKey', 'endorsementKey'), publicKey: base64 }),
)
/** `publicKey`: SubjectPublicKeyInfo, DER, base64. */
export type CarriedKey = TypeOf<typeof carriedKey>
const carriedCertificate = named('CarriedCertificate', object({ certificate: anyText }))
export type CarriedCertificate = TypeOf<typeof carriedCertificate>

export const carriedDocument = named(
  'CarriedDocument',
  object({ ...carried, nonce: optional(text(/^\d{1,10}$/, 'up to 10 digits')) }),
)
/** What the server signs is about the VM as the server knows it: the host states only the guest's nonce. */
export type CarriedDocument = TypeOf<typeof carriedDocument>
const attestedDocument = named('AttestedDocument', object({ encoding: exactly('pkcs7'), signature: anyText }))
/** `signature`: a CMS SignedData (RFC 5652) over the JSON text, with the signer's certificate, in base64. */
export type AttestedDocument = TypeOf<typeof attestedDocument>

export const carriedSilicon = named(
  'CarriedSilicon',
  object({
    ...carried,
    ask: oneOf('launch', 'report', 'endorsements', 'quote', 'collateral', 'earlyTcbInfo'),
    tee: optional(tee),
    vCPUs: optional(integer(1, 256)),
    /** SHA-256 of the launched firmware. */
    firmware: optional(digest),
    /** From the answer to `launch`: what a report is about. */
    launch: optional(ownId),
    /** Claims that the report binds: they must belong to this VM at this epoch. */
    claims: optional(base64),
    report: optional(base64),
  }),
)
export type CarriedSilicon = TypeOf<typeof carriedSilicon>

export const carriedMeasurements = named(
  'CarriedMeasurements',
  object({ ...carried, image: line, boot: optional(object({ registers, secureBoot: flag })) }),
)
/** The document that predicts this boot; without one, the document that new VMs are made by. */
export type CarriedMeasurements = TypeOf<typeof carriedMeasurements>
const measurementsAnswer = object({ jws: optional(anyText) })

export const carriedState = named('CarriedState', object({ ...carried, bytes: optional(base64) }))
/** An encrypted guest state: read without `bytes`, written with them. */
export type CarriedState = TypeOf<typeof carriedState>
const stateAnswer = named('CarriedStateAnswer', object({ bytes: optional(base64) }))
export type CarriedStateAnswer = TypeOf<typeof stateAnswer>

export const carriedApproval = named('CarriedApproval', object({ ...carried, event: ownId }))
/** The guest approves a planned event, by its id: it need not wait for its time. */
export type CarriedApproval = TypeOf<typeof carriedApproval>

export const carriedDisk = named(
  'CarriedDisk',
  object({
    ...carried,
    /** Id of one of its data disks; absent for the OS disk. */
    disk: optional(vmId),
    opened: optional(flag),
  }),
)
/**
 * Asks where one of a VM's disks is, with access to it; again, with `opened`, once it is open and before the guest gets it: the
 * fence then knows the connection.
 */
export type CarriedDisk = TypeOf<typeof carriedDisk>

const cephDisk = named(
  'CephDisk',
  object({
    /** The cluster's monitors, as `mon_host` in ceph.conf. */
    monitors: text(/^[\x20-\x7e]{1,4096}$/, 'printable text'),
    pool: line,
    /** Of the VM's OS disk alone, or of the data disk. */
    namespace: line,
    image: line,
    /** A CephX user of this placement: without `client.`, and with access to the namespace only. */
    user: line,
    /** Its key, in base64. */
    key: text(/^[A-Za-z0-9+/]{20,200}={0,2}$/, 'base64'),
  }),
)
export type CephDisk = TypeOf<typeof cephDisk>
const diskAnswer = named('CarriedDiskAnswer', object({ ceph: optional(cephDisk) }))
/** Without `ceph`, the disk is NBD on the stream /disk/{vmId}/{epoch}, a data disk on /disk/{vmId}/{epoch}/{disk}. */
export type CarriedDiskAnswer = TypeOf<typeof diskAnswer>

const imageManifest = named(
  'ImageManifest',
  object({
    record: anyObject,
    /** Each file's address and digest. */
    files: list(object({ name: anyText, sha256: digest, bytes: count })),
  }),
)
export type ImageManifest = TypeOf<typeof imageManifest>

export const hostAnswer = named(
  'HostAnswer',
  object({
    id: lowerCaseGuid,
    status: integer(200, 599),
    type: oneOf('application/json', 'text/plain'),
    body: upTo(6_000_000),
  }),
)
/** A host's answer to a call that came with its orders. */
export type HostAnswer = TypeOf<typeof hostAnswer>

const errors = ['HostNotAuthenticated', 'PlacementOver'] as const

/**
 * Requests of guests' hosts besides `fleetWire`'s own. Bulk data uses streams, by Upgrade to `fleetStream`:
 * /disk/{vmId}/{epoch} is the OS disk by NBD, /disk/{vmId}/{epoch}/{disk} a data disk, /image/{id}/{sha256} a file of an
 * image, /ssh/{vmId}/{stream} a connection to its SSH that the host was asked for, /guest/{vmId}/{epoch} a guest's
 * connection to the installation's TLS port.
 */
export const carriedOperations: readonly WireOperation[] = [
  {
    method: 'GET',
    path: '/installation',
    summary: 'What hosts carry',
    status: 200,
    answer: fleetInstallation,
    errors: ['HostNotAuthenticated'],
  },
  {
    method: 'POST',
    path: '/instance',
    summary: 'A VM’s state, and what its next host needs',
    body: carriedInstance,
    status: 200,
    answer: object({}),
    errors,
  },
  {
    method: 'POST',
    path: '/call',
    summary: 'Makes the calls that a VM’s boot needs, with the platform’s rights',
    body: carriedCall,
    status: 200,
    answer: carriedAnswer,
    errors: [...errors, 'CallNotCarried'],
  },
  {
    method: 'POST',
    path: '/certify',
    summary: 'Certifies a key of a VM’s vTPM, for some hours at this epoch',
    body: carriedKey,
    status: 200,
    answer: carriedCertificate,
    errors: [...errors, 'TooManyKeys'],
  },
  {
    method: 'POST',
    path: '/document',
    summary: 'Signs an attested document about a VM',
    body: carriedDocument,
    status: 200,
    answer: attestedDocument,
    errors: [...errors, 'TooManyRequests'],
  },
  {
    method: 'POST',
    path: '/silicon',
    summary: 'Calls the simulated processor for a VM',
    body: carriedSilicon,
    status: 200,
    answer: anyObject,
    errors: [...errors, 'CallNotCarried'],
  },
  {
    method: 'POST',
    path: '/measurements',
    summary: 'The signed document that predicts a boot’s registers',
    body: carriedMeasurements,
    status: 200,
    answer: measurementsAnswer,
    errors,
  },
  {
    method: 'POST',
    path: '/state',
    summary: 'Reads or writes a VM’s guest state',
    body: carriedState,
    status: 200,
    answer: stateAnswer,
    errors: [...errors, 'StorageUnavailable'],
  },
  {
    method: 'POST',
    path: '/event',
    summary: 'The guest approves what is planned for it',
    body: carriedApproval,
    status: 200,
    answer: object({}),
    errors: [...errors, 'EventNotPlanned'],
  },
  {
    method: 'POST',
    path: '/disk',
    summary: 'Where a VM’s disk is, and a key for it',
    body: carriedDisk,
    status: 200,
    answer: diskAnswer,
    errors: [...errors, 'DiskNotFound', 'DataDiskMissing', 'StorageUnavailable'],
  },
  {
    method: 'POST',
    path: '/answer',
    summary: 'Answers a call received with the orders',
    body: hostAnswer,
    status: 200,
    answer: object({}),
    errors: ['HostNotAuthenticated'],
  },
  {
    method: 'GET',
    path: '/images/:id',
    summary: 'The files of an image, by content hash',
    status: 200,
    answer: imageManifest,
    errors: ['HostNotAuthenticated', 'ImageNotFound'],
  },
]
