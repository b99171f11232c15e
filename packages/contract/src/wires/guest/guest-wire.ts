import { anyObject, anyText, chosen, integer, named, object, text, upTo, type TypeOf } from '../../shape/index.ts'
import { freshQuote } from './fresh-quote.ts'
import type { Wire } from '../elements/wire.ts'
import { healthReport } from './health.ts'

/** Of at most 4 KiB, as Azure's agent sends of each stream. */
const stream = upTo(5464, 'base64 of at most 4096 bytes', /^[A-Za-z0-9+/]*={0,2}$/)
const ran = object({ exitCode: integer(0, 255), stdout: stream, stderr: stream })
const refused = object({ refused: text(/[\s\S]/, 'why the guest did not run it') })
export const commandResult = named(
  'CommandResult',
  chosen([ran, refused], (value) =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, 'refused') ? refused : ran,
  ),
)
export type CommandResult = TypeOf<typeof commandResult>

export const reportRequest = named(
  'ReportRequest',
  object({ userData: text(/^[A-Za-z0-9_-]{2,86}$/, 'base64url of 1 to 64 bytes') }),
)
/** A vTPM alone has one. */
export const reportPath = '/metadata/strongroom/hcl-report'

const path = '/metadata/strongroom'
const lines = 'text/plain'

/** What a guest finds beside Azure's metadata service. */
export const guestWire: Wire = {
  name: 'guest',
  version: '1',
  title: 'Guest’s metadata endpoint',
  about:
    'In addition to Azure’s metadata service (docs/guides/guests.md), for the agent of the reference image, cloud-init ' +
    'and verifiers in the guest. Requests have the header Metadata: true, except those of cloud-init, and no ' +
    'headers added by a proxy. Lines are a key and a value in base64.',
  server: 'http://169.254.169.254',
  security: 'none',
  owns: /^\w+ \/metadata\/strongroom\//,
  operations: [
    {
      method: 'GET',
      path: `${path}/provisioning`,
      summary: 'The guest’s first-boot settings, as lines',
      status: 200,
      answer: anyText,
      answerType: lines,
    },
    // Agents of earlier images send more than is read today.
    {
      method: 'POST',
      path: `${path}/ready`,
      summary: 'The report of the boot: quote, registers and event logs; without a vTPM only the nonce',
      body: named('BootReport', anyObject),
      status: 200,
      answer: object({}),
      errors: ['InvalidBootReport', 'BootReportRefused'],
    },
    {
      method: 'POST',
      path: `${path}/health`,
      summary: 'The guest’s report on its swap, clock, TPM and disks',
      body: healthReport,
      status: 200,
      answer: object({}),
      errors: ['InvalidGuestHealth'],
    },
    {
      method: 'GET',
      path: `${path}/commands/next`,
      summary: 'The next command as lines, or 204 if there is none',
      status: 200,
      answer: anyText,
      answerType: lines,
    },
    {
      method: 'POST',
      path: `${path}/commands/:id`,
      summary: 'The result of a command',
      body: commandResult,
      status: 200,
      answer: object({}),
      errors: ['InvalidCommandResult'],
    },
    {
      method: 'GET',
      path: `${path}/challenges/next`,
      summary: 'The next challenge of a verifier as lines, or 204 if there is none',
      status: 200,
      answer: anyText,
      answerType: lines,
    },
    {
      method: 'POST',
      path: `${path}/challenges/:id`,
      summary: 'The answer to a challenge: a quote by the guest’s TPM',
      body: freshQuote,
      status: 200,
      answer: object({}),
      errors: ['InvalidFreshQuote', 'ChallengeNotFound'],
    },
    {
      method: 'POST',
      path: reportPath,
      summary: 'A new hardware report with the guest’s own data',
      body: reportRequest,
      status: 200,
      answer: object({ report: anyText }),
      errors: ['BadRequest'],
    },
    ...['meta-data', 'vendor-data', 'user-data', 'network-config'].map(
      (file) =>
        ({
          method: 'GET',
          path: `${path}/cloud-init/${file}`,
          summary: `The file ${file} of cloud-init’s NoCloud, until the guest has reported`,
          status: 200,
          answer: anyText,
          answerType: lines,
        }) as const,
    ),
  ],
}
