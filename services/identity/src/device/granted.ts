import {
  attestationAudience,
  graphHost,
  managedHsmAudience,
  managedHsmResource,
  managementAudience,
  portalClient,
  vaultAudience,
  vaultResource,
} from '@strongroom/contract'
import { audienceOfScope, normaliseAudience } from '../oauth/audience.ts'

/** The services that a client of Azure calls after one sign-in; none of them is internal to the installation. */
const everyService: readonly string[] = [
  managementAudience,
  vaultAudience,
  vaultResource,
  managedHsmAudience,
  managedHsmResource,
  `https://${graphHost}`,
  'https://graph.microsoft.com',
  attestationAudience,
].map(normaliseAudience)

/** Clients whose refresh tokens serve every service, as in Entra: they renew one for each that they call. */
const clientNames: Readonly<Record<string, string>> = {
  '04b07795-8ddb-461a-bbee-02f9e1bf7b46': 'Microsoft Azure CLI',
  '1950a258-227b-4e31-a9cf-717495945fc2': 'Microsoft Azure PowerShell',
  [portalClient.appId]: portalClient.displayName,
}

/** What a person's sign-in at a client is for: the tokens that it, and its refresh token, are good for. */
export interface Granted {
  /** Anyone may use its id: it does not identify the program. */
  clientName: string | undefined
  /** Normal forms. */
  audiences: string[]
}

/** @param scope undefined for sign-ins whose scope was not stored */
export function grantedTo(clientId: string, scope: string | undefined): Granted {
  const clientName = Object.hasOwn(clientNames, clientId) ? clientNames[clientId] : undefined
  const asked = scope === undefined ? undefined : audienceOfScope(scope)
  const own = asked === undefined ? [] : [normaliseAudience(asked)]
  return { clientName, audiences: [...new Set([...own, ...(clientName === undefined ? [] : everyService)])] }
}
