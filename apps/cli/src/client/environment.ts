import { loginHost, managementHost } from '@strongroom/contract'
import type { ServerRecord } from '../core/connection.ts'

/**
 * Variables that point the stock clients here; az gets a separate folder, so that it mixes neither clouds nor cached tokens.
 * @param trusted file of the authorities that the programs trust; default: the installation's alone
 */
export function clientEnvironment(
  server: ServerRecord,
  azureConfigDir: string,
  trusted: string = server.caPath,
): Record<string, string> {
  return {
    ...proxied({ port: server.ports.local, trusted }),
    AZURE_CONFIG_DIR: azureConfigDir,
    AZURE_CORE_INSTANCE_DISCOVERY: 'false',
    ...azQuiet,
    AZURE_AUTHORITY_HOST: `https://${loginHost}`,
    STRONGROOM_RESOURCE_MANAGER: `https://${managementHost}`,
    ...installationIds(server),
  }
}

/** The same for clients that use Azure's public names: sets only how to connect and what to trust. */
export function publicNamesEnvironment(
  server: ServerRecord,
  publicNames: { port: number; trusted: string },
  azureConfigDir: string,
): Record<string, string> {
  return {
    ...proxied(publicNames),
    AZURE_CONFIG_DIR: azureConfigDir,
    ...azQuiet,
    STRONGROOM_PUBLIC_NAMES: 'true',
    ...installationIds(server),
  }
}

/** Variables of `clientEnvironment` that would lead clients away from the public names. */
export const notWithPublicNames: readonly string[] = [
  'AZURE_AUTHORITY_HOST',
  'AZURE_CORE_INSTANCE_DISCOVERY',
  'STRONGROOM_RESOURCE_MANAGER',
]

function proxied(o: { port: number; trusted: string }): Record<string, string> {
  const proxy = `http://127.0.0.1:${o.port}`
  return {
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: 'localhost,127.0.0.1',
    no_proxy: 'localhost,127.0.0.1',
    REQUESTS_CA_BUNDLE: o.trusted,
    NODE_EXTRA_CA_CERTS: o.trusted,
    SSL_CERT_FILE: o.trusted,
    CURL_CA_BUNDLE: o.trusted,
  }
}

const azQuiet = {
  AZURE_CORE_COLLECT_TELEMETRY: 'false',
  AZURE_MCP_COLLECT_TELEMETRY: 'false',
  AZURE_CORE_ERROR_RECOMMENDATION: 'off',
  AZURE_CORE_LOGIN_EXPERIENCE_V2: 'off',
} as const

const installationIds = (server: ServerRecord): Record<string, string> => ({
  STRONGROOM_SUBSCRIPTION_ID: server.subscriptionId,
  STRONGROOM_TENANT_ID: server.tenantId,
})
