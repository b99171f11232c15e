import { loginHost, managementHost } from '@strongroom/contract'
import type { ServerRecord } from './connection.ts'

/** Variables that point the stock clients here; az gets a folder of its own, so that it mixes neither clouds nor cached tokens. */
export function clientEnvironment(server: ServerRecord, azureConfigDir: string): Record<string, string> {
  const proxy = `http://127.0.0.1:${server.ports.local}`
  return {
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: 'localhost,127.0.0.1',
    no_proxy: 'localhost,127.0.0.1',
    REQUESTS_CA_BUNDLE: server.caPath,
    NODE_EXTRA_CA_CERTS: server.caPath,
    SSL_CERT_FILE: server.caPath,
    CURL_CA_BUNDLE: server.caPath,
    AZURE_CONFIG_DIR: azureConfigDir,
    AZURE_CORE_INSTANCE_DISCOVERY: 'false',
    AZURE_CORE_COLLECT_TELEMETRY: 'false',
    AZURE_CORE_ERROR_RECOMMENDATION: 'off',
    AZURE_CORE_LOGIN_EXPERIENCE_V2: 'off',
    AZURE_AUTHORITY_HOST: `https://${loginHost}`,
    STRONGROOM_RESOURCE_MANAGER: `https://${managementHost}`,
    STRONGROOM_SUBSCRIPTION_ID: server.subscriptionId,
    STRONGROOM_TENANT_ID: server.tenantId,
  }
}
