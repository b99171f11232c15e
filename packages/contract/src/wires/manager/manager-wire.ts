import { managementHost } from '../../names/names.ts'
import { anyText, named, object } from '../../shape/index.ts'
import { valueOf } from '../elements/answers.ts'
import {
  firmwareListDocument,
  imageBuildStatus,
  imageMeasurements,
  imageRecord,
  imageUpdate,
  signedVariable,
} from '../host/images.ts'
import {
  firmwareRemoval,
  firmwareSigning,
  imageImport,
  imageUpdateRequest,
  signedVariableRequest,
} from '../host/requests.ts'
import { variant } from '../host/host-wire.ts'
import type { Wire, WireOperation } from '../elements/wire.ts'
import { accessQuestion, vaultAccess } from './access.ts'
import { priceList } from './billing.ts'
import { accessAnswer, addedHost, drainRequest, hostDefinition, hostView, shownHost } from './hosts.ts'
import { quotaDecision, quotaRequest, subscriptionKind } from './quota.ts'

const subscription = '/subscriptions/:subscription'
const group = `${subscription}/resourceGroups/:group`
const of = (namespace: string): string => `${subscription}/providers/Strongroom.${namespace}`
const host = `${of('Fleet')}/hosts/:name`

const verifier = named(
  'AttestationVerifier',
  object({
    id: anyText,
    name: anyText,
    type: anyText,
    properties: object({ issuer: anyText, attestUri: anyText, keysUri: anyText }),
  }),
)

const fleet: readonly WireOperation[] = [
  {
    method: 'GET',
    path: `${of('Fleet')}/hosts`,
    summary: 'Hosts of the fleet',
    status: 200,
    answer: valueOf(hostView),
  },
  {
    method: 'GET',
    path: host,
    summary: 'One host, and the VMs it carries',
    status: 200,
    answer: shownHost,
    errors: ['HostNotFound'],
  },
  {
    method: 'PUT',
    path: host,
    summary: 'Lets another machine join as a host, with a code that is shown once',
    body: hostDefinition,
    status: 201,
    answer: addedHost,
    errors: ['FleetNotServed', 'HostExists', 'InvalidParameter'],
  },
  {
    method: 'POST',
    path: `${host}/drain`,
    summary: 'Moves its VMs to other hosts, and places no more on it',
    body: drainRequest,
    bodyIsOptional: true,
    status: 200,
    answer: shownHost,
    errors: ['HostNotDrained', 'HostNotFound', 'InvalidParameter'],
  },
  {
    method: 'POST',
    path: `${host}/resume`,
    summary: 'Places VMs on it again',
    status: 200,
    answer: shownHost,
    errors: ['HostNotFound'],
  },
  {
    method: 'DELETE',
    path: host,
    summary: 'Removes it from the fleet: its key is no longer accepted',
    status: 204,
    errors: ['HostInUse', 'HostNotFound'],
  },
]

const images: readonly WireOperation[] = [
  {
    method: 'GET',
    path: `${of('Machine')}/firmware`,
    summary: 'The signed list of firmware that guests may be launched with',
    status: 200,
    answer: firmwareListDocument,
  },
  {
    method: 'POST',
    path: `${of('Machine')}/firmware/sign`,
    summary: 'Measures firmware of the server’s machine and signs a list with it',
    body: firmwareSigning,
    status: 200,
    answer: firmwareListDocument,
    errors: ['MissingFirmware', 'FirmwareNotHardened', 'InvalidParameter'],
  },
  {
    method: 'POST',
    path: `${of('Machine')}/firmware/remove`,
    summary: 'Signs a list without a release',
    body: firmwareRemoval,
    status: 200,
    answer: firmwareListDocument,
    errors: ['InvalidParameter'],
  },
  {
    method: 'GET',
    path: `${of('Machine')}/images`,
    summary: 'Images of the host',
    status: 200,
    answer: valueOf(imageRecord),
  },
  {
    method: 'GET',
    path: `${of('Machine')}/images/:image/measurements`,
    summary: 'An image’s signed measurements; by id, or the newest with a name',
    status: 200,
    answer: imageMeasurements,
    errors: ['ImageNotFound'],
  },
  {
    method: 'GET',
    path: `${of('Machine')}/images/build`,
    summary: 'Progress of the reference image’s build',
    query: variant,
    status: 200,
    answer: imageBuildStatus,
  },
  {
    method: 'POST',
    path: `${of('Machine')}/images/build`,
    summary: 'Builds the reference image or a variant of it; idempotent',
    query: variant,
    status: 202,
    answer: imageBuildStatus,
  },
  {
    method: 'POST',
    path: `${of('Machine')}/images/import`,
    summary: 'Imports a disk file on the host as an image',
    body: imageImport,
    status: 200,
    answer: imageRecord,
    errors: ['ImageNotQualified', 'ImageNotFound', 'InvalidParameter'],
  },
  {
    method: 'POST',
    path: `${of('Machine')}/images/:image/update`,
    summary: 'Signs a boot file of the server’s machine as an update of an image',
    body: imageUpdateRequest,
    status: 200,
    answer: imageUpdate,
    errors: ['ImageNotQualified', 'ImageNotFound', 'InvalidParameter', 'PublisherKeyMissing'],
  },
  {
    method: 'POST',
    path: `${of('Machine')}/images/:image/signVariable`,
    summary: 'Signs a write of a Secure Boot variable as the image’s publisher',
    body: signedVariableRequest,
    status: 200,
    answer: signedVariable,
    errors: ['ImageNotFound', 'InvalidParameter', 'PublisherKeyMissing'],
  },
]

const money: readonly WireOperation[] = [
  {
    method: 'GET',
    path: `${of('Billing')}/priceSheet`,
    summary: 'The operator’s price list',
    status: 200,
    answer: priceList,
    errors: ['PriceListNotFound'],
  },
  {
    method: 'PUT',
    path: `${of('Billing')}/priceSheet`,
    summary: 'Replaces it',
    body: priceList,
    status: 200,
    answer: priceList,
    errors: ['InvalidPriceList'],
  },
  {
    method: 'GET',
    path: `${of('Quota')}/requests`,
    summary: 'Requests for more quota in all regions',
    status: 200,
    answer: valueOf(quotaRequest),
  },
  {
    method: 'POST',
    path: `${of('Quota')}/requests/:id/grant`,
    summary: 'Grants one',
    body: quotaDecision,
    bodyIsOptional: true,
    status: 200,
    answer: quotaRequest,
  },
  {
    method: 'POST',
    path: `${of('Quota')}/requests/:id/deny`,
    summary: 'Denies one',
    body: quotaDecision,
    bodyIsOptional: true,
    status: 200,
    answer: quotaRequest,
  },
  {
    method: 'GET',
    path: `${of('Quota')}/subscriptionKind`,
    summary: 'The subscription’s kind',
    status: 200,
    answer: subscriptionKind,
  },
  {
    method: 'POST',
    path: `${of('Quota')}/subscriptionKind`,
    summary: 'Sets it',
    body: subscriptionKind,
    status: 200,
    answer: subscriptionKind,
    errors: ['InvalidParameter'],
  },
]

const trust: readonly WireOperation[] = [
  {
    method: 'GET',
    path: `${of('Attestation')}/verifiers`,
    summary: 'Attestation providers of other origins',
    status: 200,
    answer: valueOf(verifier),
  },
  {
    method: 'GET',
    path: `${of('Attestation')}/verifiers/:name`,
    summary: 'One of them',
    status: 200,
    answer: verifier,
    errors: ['ResourceNotFound'],
  },
  {
    method: 'GET',
    path: `${group}/providers/Microsoft.KeyVault/vaults/:name/providers/Strongroom.KeyVault/access`,
    summary: 'Who may use a vault, and who may grant access',
    status: 200,
    answer: vaultAccess,
  },
  {
    method: 'POST',
    path: `${group}/providers/Microsoft.Attestation/attestationProviders/:name/providers/Strongroom.Authorization/checkAccess`,
    summary: 'Whether a principal has a right at a provider; only for the attestation service',
    body: accessQuestion,
    status: 200,
    answer: accessAnswer,
    errors: ['AuthorizationFailed'],
  },
]

/** The resource manager's additions to Azure's types. */
export const managerWire: Wire = {
  name: 'resource-manager',
  version: '2026-11-01',
  title: 'Resource manager, beyond Azure',
  about:
    'The resource manager’s own namespaces, Strongroom.*, in addition to Azure’s types, which Azure’s reference ' +
    'describes. Each call needs an api-version and a token for Azure’s management audience; roles apply as on ' +
    'Azure.',
  server: `https://${managementHost}`,
  security: 'bearer',
  owns: /\/providers\/Strongroom\./,
  operations: [...fleet, ...images, ...money, ...trust],
}
