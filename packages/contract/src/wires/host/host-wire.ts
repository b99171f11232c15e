import { imageVariants } from '../../host.ts'
import { hostAudience } from '../../names.ts'
import { anyText } from '../../shape/index.ts'
import { valueOf } from '../answers.ts'
import type { Wire, WireOperation } from '../wire.ts'
import { backupRequest, backupStatus, restoreKey, restoreOffer } from './backups.ts'
import { diskAccess, diskAccessRequest, finishUpload, storedDiskSpec, storedDiskStatus } from './disks.ts'
import { freshQuote, quoteChallenge } from './fresh-quote.ts'
import {
  firmwareListDocument,
  imageBuildStatus,
  imageMeasurements,
  imageRecord,
  imageUpdate,
  signedVariable,
} from './images.ts'
import {
  commandRequest,
  dataDisks,
  firmwareRemoval,
  firmwareSigning,
  imageImport,
  imageUpdateRequest,
  instanceConversion,
  instancePatch,
  instanceRekey,
  signedVariableRequest,
  simulatedBoot,
  stopRequest,
} from './requests.ts'
import { bootEvidence, commandStatus, instanceStatus } from './status.ts'
import { anySpec, customerKey } from './vm.ts'

export const variant = { variant: { schema: { type: 'string', enum: imageVariants, default: 'reference' } } }
const vm = '/instances/:vmId'

const instances: readonly WireOperation[] = [
  { method: 'GET', path: '/instances', summary: 'All VMs of the host', status: 200, answer: valueOf(instanceStatus) },
  { method: 'GET', path: vm, summary: 'One VM', status: 200, answer: instanceStatus, errors: ['InstanceNotFound'] },
  {
    method: 'PUT',
    path: vm,
    summary: 'Provisions a VM; idempotent for the same specification',
    body: anySpec,
    status: 202,
    answer: instanceStatus,
    errors: ['InvalidInstanceSpec', 'InstanceExists'],
  },
  {
    method: 'PATCH',
    path: vm,
    summary: 'Changes a stopped VM',
    body: instancePatch,
    bodyIsOptional: true,
    status: 200,
    answer: instanceStatus,
    errors: ['InvalidInstanceSpec', 'InstanceNotStopped'],
  },
  { method: 'DELETE', path: vm, summary: 'Destroys disk, guest state and vTPM; idempotent', status: 204 },
  {
    method: 'PUT',
    path: `${vm}/data-disks`,
    summary: 'Sets the data disks, even of a running VM; idempotent',
    body: dataDisks,
    status: 200,
    answer: instanceStatus,
    errors: ['DataDiskInUse', 'DataDiskMissing', 'DataDiskNotReady'],
  },
  {
    method: 'POST',
    path: `${vm}/start`,
    summary: 'Starts it; idempotent while it starts or runs',
    status: 202,
    answer: instanceStatus,
  },
  {
    method: 'POST',
    path: `${vm}/stop`,
    summary: 'Stops it, gracefully by default; idempotent',
    body: stopRequest,
    bodyIsOptional: true,
    status: 202,
    answer: instanceStatus,
  },
  {
    method: 'POST',
    path: `${vm}/restart`,
    summary: 'Restarts it',
    status: 202,
    answer: instanceStatus,
    errors: ['InstanceNotReady'],
  },
  {
    method: 'POST',
    path: `${vm}/rewrap`,
    summary: 'Rewraps the guest state of a stopped VM with the first of the keys; idempotent',
    body: customerKey,
    status: 200,
    answer: instanceStatus,
    errors: ['InstanceNotStopped', 'InstanceWithoutCustomerKey'],
  },
  {
    method: 'POST',
    path: `${vm}/convert`,
    summary: 'Converts a stopped VM to the other technology, completely or not at all; idempotent',
    body: instanceConversion,
    status: 200,
    answer: instanceStatus,
    errors: ['InstanceNotConvertible', 'InstanceNotStopped'],
  },
  {
    method: 'POST',
    path: `${vm}/rekey`,
    summary: 'Encrypts the OS disk of a stopped VM under a new volume key, completely or not at all; idempotent by id',
    body: instanceRekey,
    status: 200,
    answer: instanceStatus,
    errors: ['InstanceNotRekeyable', 'InstanceNotStopped'],
  },
  {
    method: 'POST',
    path: `${vm}/commands`,
    summary: 'A script for the running guest, which runs it only if its owner signed it; idempotent by id',
    body: commandRequest,
    status: 202,
    answer: commandStatus,
    errors: ['InstanceNotReady'],
  },
  {
    method: 'GET',
    path: `${vm}/commands/:id`,
    summary: 'Its result',
    status: 200,
    answer: commandStatus,
    errors: ['InstanceNotFound'],
  },
  {
    method: 'POST',
    path: `${vm}/backup`,
    summary:
      'Backs up disks and guest state of a running VM for the owner’s key; only with a signature by one of the owner’s SSH keys',
    body: backupRequest,
    status: 202,
    answer: backupStatus,
    errors: ['BackupNotAuthorized', 'BackupNotPossible', 'InstanceNotReady'],
  },
  {
    method: 'GET',
    path: `${vm}/backup`,
    summary: 'The latest backup that was asked for',
    status: 200,
    answer: backupStatus,
    errors: ['BackupNotFound'],
  },
  {
    method: 'GET',
    path: `${vm}/restore`,
    summary: 'What a restore waits for: files, and the data key for this paravisor',
    status: 200,
    answer: restoreOffer,
    errors: ['RestoreNotAwaited'],
  },
  {
    method: 'POST',
    path: `${vm}/restore`,
    summary: 'The data key of the backup, wrapped to the transfer key; its files were written',
    body: restoreKey,
    status: 204,
    errors: ['BackupAltered', 'RestoreNotAwaited'],
  },
  {
    method: 'POST',
    path: `${vm}/memory-dump`,
    summary: 'Always refused: hosts make no memory dumps (FAQ S9)',
    status: 204,
    errors: ['MemoryDumpRefused'],
  },
  {
    method: 'GET',
    path: `${vm}/evidence`,
    summary: 'The evidence of the last boot',
    status: 200,
    answer: bootEvidence,
    errors: ['InstanceNotFound'],
  },
  {
    method: 'POST',
    path: `${vm}/fresh-quote`,
    summary: 'A quote of the running guest’s TPM over a verifier’s challenge, which the verifier judges',
    body: quoteChallenge,
    status: 200,
    answer: freshQuote,
    errors: ['InstanceNotReady', 'GuestDidNotAnswer'],
  },
  {
    method: 'GET',
    path: `${vm}/serial-log`,
    summary: 'The guest’s console output',
    status: 200,
    answer: anyText,
    answerType: 'text/plain',
  },
]

const simulated: readonly WireOperation[] = [
  {
    method: 'PUT',
    path: '/simulated/:vmId/boot',
    summary: 'A boot without a guest, for its evidence; the same id, the same evidence',
    body: simulatedBoot,
    status: 200,
    answer: bootEvidence,
    errors: ['GuestsRunHere', 'NotConfidential'],
  },
  {
    method: 'GET',
    path: '/simulated/:vmId/evidence',
    summary: 'The latest evidence',
    status: 200,
    answer: bootEvidence,
    errors: ['InstanceNotFound'],
  },
  { method: 'DELETE', path: '/simulated/:vmId', summary: 'Destroys guest state and vTPM; idempotent', status: 204 },
]

const images: readonly WireOperation[] = [
  {
    method: 'GET',
    path: '/firmware',
    summary: 'The signed list of firmware that guests may be launched with',
    status: 200,
    answer: firmwareListDocument,
  },
  {
    method: 'POST',
    path: '/firmware',
    summary: 'Measures firmware and signs a list with it; idempotent',
    body: firmwareSigning,
    status: 200,
    answer: firmwareListDocument,
    errors: ['MissingFirmware', 'FirmwareNotHardened', 'InvalidRequestContent'],
  },
  {
    method: 'POST',
    path: '/firmware/remove',
    summary: 'Signs a list without a release; idempotent',
    body: firmwareRemoval,
    status: 200,
    answer: firmwareListDocument,
    errors: ['InvalidRequestContent', 'FirmwareListInvalid'],
  },
  { method: 'GET', path: '/images', summary: 'Images of the host', status: 200, answer: valueOf(imageRecord) },
  {
    method: 'GET',
    path: '/images/:id/measurements',
    summary: 'An image’s signed measurements',
    status: 200,
    answer: imageMeasurements,
  },
  {
    method: 'GET',
    path: '/images/build',
    summary: 'Progress of the reference image’s build',
    query: variant,
    status: 200,
    answer: imageBuildStatus,
    errors: ['InvalidParameter'],
  },
  {
    method: 'POST',
    path: '/images/build',
    summary: 'Builds the reference image or a variant of it; idempotent',
    query: variant,
    status: 202,
    answer: imageBuildStatus,
    errors: ['InvalidParameter'],
  },
  {
    method: 'POST',
    path: '/images/import',
    summary: 'Imports a disk file on the host as an image',
    body: imageImport,
    status: 200,
    answer: imageRecord,
    errors: ['ImageNotQualified', 'ImageNotFound'],
  },
  {
    method: 'POST',
    path: '/images/:id/update',
    summary: 'Signs a boot file of the host as an update of an image',
    body: imageUpdateRequest,
    status: 200,
    answer: imageUpdate,
    errors: ['ImageNotQualified', 'PublisherKeyMissing'],
  },
  {
    method: 'POST',
    path: '/images/:id/sign-variable',
    summary: 'Signs a write of a Secure Boot variable as the image’s publisher',
    body: signedVariableRequest,
    status: 200,
    answer: signedVariable,
    errors: ['PublisherKeyMissing', 'ImageNotFound'],
  },
]

const disks: readonly WireOperation[] = [
  {
    method: 'PUT',
    path: '/disks/:id',
    summary: 'Copies a disk; idempotent for the same specification; a failed copy is retried',
    body: storedDiskSpec,
    status: 202,
    answer: storedDiskStatus,
    errors: ['InvalidInstanceSpec', 'DiskExists'],
  },
  {
    method: 'GET',
    path: '/disks/:id',
    summary: 'One disk',
    status: 200,
    answer: storedDiskStatus,
    errors: ['DiskNotFound'],
  },
  {
    method: 'DELETE',
    path: '/disks/:id',
    summary: 'Destroys disk and guest state; idempotent',
    status: 204,
    errors: ['DataDiskInUse'],
  },
  {
    method: 'POST',
    path: '/disks/:id/finish',
    summary: 'Validates and imports the upload',
    body: finishUpload,
    bodyIsOptional: true,
    status: 202,
    answer: storedDiskStatus,
    errors: ['DiskNotReady'],
  },
  {
    method: 'POST',
    path: '/disks/:id/access',
    summary: 'Addresses to read or write a stored disk, or the OS disk of a stopped VM',
    body: diskAccessRequest,
    status: 200,
    answer: diskAccess,
  },
  { method: 'DELETE', path: '/disks/:id/access', summary: 'Revokes its addresses at once; idempotent', status: 204 },
]

/** Between the control plane and a host. */
export const hostWire: Wire = {
  name: 'host',
  version: '1',
  title: 'Host',
  about:
    'Between the control plane and a host, which carries VMs. Only the control plane’s principal may call. The ' +
    'addresses of disk access are served at https://disks.blob.strongroom.internal without a bearer token: GET ' +
    'and HEAD (with Range), and for uploads PUT and PUT ?comp=page of page blobs; for an encrypted disk and for ' +
    'any guest state, the content is ciphertext.',
  server: hostAudience,
  security: 'bearer',
  operations: [...instances, ...simulated, ...images, ...disks],
}
