import { armErrors } from './arm.ts'
import { attestationErrors } from './attestation.ts'
import { cliErrors } from './cli.ts'
import { computeErrors } from './compute.ts'
import { diskErrors } from './disks.ts'
import { evidenceErrors } from './evidence.ts'
import { fleetErrors } from './fleet.ts'
import { hostErrors } from './host.ts'
import { identityErrors } from './identity.ts'
import { keyVaultErrors } from './key-vaults.ts'
import { managedHsmErrors } from './managed-hsm.ts'
import { metadataErrors } from './metadata.ts'
import { networkErrors } from './network.ts'
import { serverErrors } from './server.ts'
import { signInErrors } from './sign-in.ts'
import { startErrors } from './start.ts'
import { templateErrors } from './templates.ts'
import { testApiErrors } from './test-api.ts'
import { vaultErrors } from './vault.ts'

export { signInErrors, type OAuthErrorName, type SignInCode } from './sign-in.ts'

/** A code's meaning, wherever it is used: a throw site adds only specifics. */
export interface ErrorEntry {
  /**
   * HTTP status of the answer; several if Azure's services differ. None for codes in `details` or `innererror`, or
   * printed by a command.
   */
  readonly status?: number | readonly number[]
  /** When it occurs, as a sentence. */
  readonly when: string
  /** What a caller can do. */
  readonly remedy: string
}

export interface ErrorSection<
  Codes extends Readonly<Record<string, ErrorEntry>> = Readonly<Record<string, ErrorEntry>>,
> {
  readonly title: string
  readonly about: string
  readonly codes: Codes
}

export interface ErrorCatalogue {
  server: ErrorSection<typeof serverErrors>
  start: ErrorSection<typeof startErrors>
  testApi: ErrorSection<typeof testApiErrors>
  arm: ErrorSection<typeof armErrors>
  templates: ErrorSection<typeof templateErrors>
  compute: ErrorSection<typeof computeErrors>
  network: ErrorSection<typeof networkErrors>
  keyVaults: ErrorSection<typeof keyVaultErrors>
  vault: ErrorSection<typeof vaultErrors>
  managedHsm: ErrorSection<typeof managedHsmErrors>
  attestation: ErrorSection<typeof attestationErrors>
  evidence: ErrorSection<typeof evidenceErrors>
  identity: ErrorSection<typeof identityErrors>
  signIn: ErrorSection<typeof signInErrors>
  fleet: ErrorSection<typeof fleetErrors>
  host: ErrorSection<typeof hostErrors>
  disks: ErrorSection<typeof diskErrors>
  metadata: ErrorSection<typeof metadataErrors>
  cli: ErrorSection<typeof cliErrors>
}

/** Every code of Strongroom, by service (the source of docs/reference/errors.md). */
export const errorCatalogue: ErrorCatalogue = {
  server: {
    title: 'Every service',
    about: 'Any service may return these; they come from `packages/platform`.',
    codes: serverErrors,
  },
  start: {
    title: 'Starting the server',
    about: 'What prevents a server from starting or an installation from being created.',
    codes: startErrors,
  },
  testApi: {
    title: 'Test API and portal',
    about: 'The owner’s test API and the files of the portal.',
    codes: testApiErrors,
  },
  arm: {
    title: 'Resource manager',
    about: 'What all resources share: scopes, roles, locks, tags, moves.',
    codes: armErrors,
  },
  templates: {
    title: 'Deployments, quotas and billing',
    about: 'Template deployments, quota requests and usage.',
    codes: templateErrors,
  },
  compute: { title: 'Compute', about: 'Virtual machines, their disks, images and commands.', codes: computeErrors },
  network: {
    title: 'Network',
    about: 'Virtual networks, interfaces, addresses and security groups.',
    codes: networkErrors,
  },
  keyVaults: {
    title: 'Key vaults and disk encryption sets',
    about: 'The management of vaults and managed HSMs, disk-encryption sets and attestation providers.',
    codes: keyVaultErrors,
  },
  vault: {
    title: 'Vault',
    about: 'Keys, secrets, release and the operations log of vaults and managed HSMs.',
    codes: vaultErrors,
  },
  managedHsm: {
    title: 'Managed HSM',
    about: 'What managed HSMs have besides keys: activation, local roles, backups, settings.',
    codes: managedHsmErrors,
  },
  attestation: {
    title: 'Attestation',
    about: 'Attestation providers, their policies, decisions and collateral.',
    codes: attestationErrors,
  },
  evidence: {
    title: 'Evidence',
    about:
      'Why evidence is malformed or not genuine: the specific code in the `details` of an InvalidParameter, also ' +
      'printed by `strongroom evidence`.',
    codes: evidenceErrors,
  },
  identity: {
    title: 'Identity',
    about: 'The directory, managed identities and the owner’s socket.',
    codes: identityErrors,
  },
  signIn: {
    title: 'Signing in',
    about:
      'What the token, device-code and sign-in endpoints return in OAuth’s format, with Entra’s numbers ' +
      '(`error_codes`); `error` is OAuth’s own code.',
    codes: signInErrors,
  },
  fleet: { title: 'Fleet', about: 'Hosts of a fleet: joining, leases, placement.', codes: fleetErrors },
  host: { title: 'Host', about: 'The host wire: VMs, their guest state and their release.', codes: hostErrors },
  disks: { title: 'Disks and images', about: 'What a host stores: disks, snapshots, images.', codes: diskErrors },
  metadata: {
    title: 'Metadata endpoint',
    about: 'Requests that guests, and readers of endorsements, make to the host.',
    codes: metadataErrors,
  },
  cli: {
    title: 'Command line and portal',
    about:
      'Errors of `strongroom` and the portal themselves; they pass all others on. Http404 and similar: a server ' +
      'answered with that status and no code.',
    codes: cliErrors,
  },
}

/** Sign-in errors have OAuth's shape: our error bodies never contain their codes. */
type Codes = ErrorCatalogue[Exclude<keyof ErrorCatalogue, 'signIn'>]['codes']
type KeysOf<Section> = Section extends unknown ? keyof Section & string : never
type StatusIn<Section, Code> = Code extends keyof Section
  ? Section[Code] extends { readonly status: infer Status }
    ? Status extends readonly (infer One)[]
      ? One
      : Status
    : never
  : never
type Each<Section, Code> = Section extends unknown ? StatusIn<Section, Code> : never
type IsUnion<T, Whole = T> = [T] extends [never]
  ? false
  : T extends unknown
    ? [Whole] extends [T]
      ? false
      : true
    : never

/** A code of the catalogue, or of a server that answered with a status and no code. */
export type ErrorCode = KeysOf<Codes> | `Http${number}`
/** A code's HTTP statuses, over all services. */
export type StatusOf<Code extends string> = Each<Codes, Code> & number
/** Codes with a single status, given in the catalogue. */
export type SettledCode = {
  [Code in KeysOf<Codes>]: [StatusOf<Code>] extends [never]
    ? never
    : IsUnion<StatusOf<Code>> extends true
      ? never
      : Code
}[KeysOf<Codes>]
/** Codes with different statuses in different places. */
export type OpenCode = { [Code in KeysOf<Codes>]: IsUnion<StatusOf<Code>> extends true ? Code : never }[KeysOf<Codes>]

/** A code with its status, which is given only for open codes. */
export type CodeWithStatus =
  | { code: SettledCode; status?: never }
  | { [Code in OpenCode]: { code: Code; status: StatusOf<Code> } }[OpenCode]

const statuses: ReadonlyMap<string, number> = new Map(
  Object.values<ErrorSection>({ ...errorCatalogue }).flatMap(({ codes }) =>
    Object.entries(codes).flatMap(([code, { status }]) =>
      typeof status === 'number' ? [[code, status] as const] : [],
    ),
  ),
)

/** The one status of a settled code. */
export const statusOf = (code: SettledCode): number => statuses.get(code)!
