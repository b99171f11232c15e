import type { Wire } from '../elements/wire.ts'
import { collateralBundle, collateralImport, collateralStatus } from './collateral.ts'
import { decisionBundle, decisionList, decisionView } from './decisions.ts'

const text = { type: 'string' }
const version = { 'api-version': { schema: text, required: true } }
const page = {
  ...version,
  $top: { schema: { type: 'integer', minimum: 1, maximum: 500, default: 50 } },
  $expand: { schema: { type: 'string', enum: ['claims'] } },
  $skiptoken: { schema: text },
}
const source = { source: { schema: { type: 'string', enum: ['vendors', 'installation'], default: 'vendors' } } }

/** Attestation providers' additions to Azure's wire. */
export const attestationWire: Wire = {
  name: 'attestation',
  version: '1',
  title: 'Decisions and collateral',
  about:
    'In addition to Azure Attestation’s wire, at every provider: its decisions, for whoever may read its ' +
    'policies, and the vendors’ collateral, for the owner. $top is at most 100 with $expand=claims.',
  server: 'https://{provider}.{region}.attest.strongroom.internal',
  security: 'bearer',
  owns: /^\w+ \/(decisions|collateral)/,
  operations: [
    {
      method: 'GET',
      path: '/decisions',
      summary: 'Recorded decisions, newest first',
      query: page,
      status: 200,
      answer: decisionList,
      errors: ['InvalidParameter'],
    },
    {
      method: 'GET',
      path: '/decisions/:id',
      summary: 'One decision',
      query: version,
      status: 200,
      answer: decisionView,
      errors: ['DecisionNotFound'],
    },
    {
      method: 'GET',
      path: '/decisions/:id/bundle',
      summary: 'A decision with its evidence, which `strongroom evidence verify` verifies offline',
      query: version,
      status: 200,
      answer: decisionBundle,
      errors: ['DecisionNotFound', 'EvidenceNotKept'],
    },
    {
      method: 'GET',
      path: '/collateral',
      summary: 'The stored vendors’ collateral; also requests the early TCB infos of the known platforms',
      status: 200,
      answer: collateralStatus,
    },
    {
      method: 'GET',
      path: '/collateral/bundle',
      summary: 'The stored and current collateral of one source, as a file',
      query: source,
      status: 200,
      answer: collateralBundle,
      errors: ['InvalidParameter'],
    },
    {
      method: 'POST',
      path: '/collateral/bundle',
      summary: 'Imports collateral from a file, all or nothing',
      body: collateralBundle,
      status: 200,
      answer: collateralImport,
      errors: ['CollateralRefused'],
    },
  ],
}
