import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  attestationAudience,
  homeRegion,
  keyAudience,
  managementAudience,
  managementHost,
  sharedAttestationHost,
  type BootEvidence,
} from '@strongroom/contract'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { fetchOwnerToken } from '../../../apps/cli/src/client/https.ts'
import { buildPortal } from '../../../scripts/build-portal.ts'
import { TestInstallation } from '../../system/support/installation.ts'

const browserPath = '/usr/bin/chromium'
export const chromiumIsInstalled: boolean = existsSync(browserPath)
if (!chromiumIsInstalled) process.stderr.write(`portal: skipped, as Debian's package chromium is not installed\n`)

/** How long something may take to appear on a busy machine. */
const patienceMs = 60_000

/** A real server and a real browser. */
export class PortalTest {
  readonly installation: TestInstallation
  readonly browser: Browser
  /** Everything that the pages requested, of any origin. */
  readonly requested: string[] = []
  /** Errors of scripts and in the console. */
  readonly faults: string[] = []

  private constructor(installation: TestInstallation, browser: Browser) {
    this.installation = installation
    this.browser = browser
  }

  /**
   * @param o.guests whether VMs boot; without guests they are records only, and evidence is made on request
   * @param o.args further options of the server
   */
  static async open(o: { guests?: boolean; args?: string[] } = {}): Promise<PortalTest> {
    await buildPortal()
    const installation = await TestInstallation.create()
    await installation.start({}, [...(o.guests === true ? [] : ['--compute', 'simulated']), ...(o.args ?? [])])
    // No sandbox: tests run as root in containers, where Chromium refuses to start with one.
    const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox', '--disable-gpu'] })
    return new PortalTest(installation, browser)
  }

  get origin(): string {
    return `http://localhost:${this.installation.ports.local}`
  }

  /** A separate browser context that shares nothing with others. */
  async context(o: Parameters<Browser['newContext']>[0] = {}): Promise<BrowserContext> {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, ...o })
    context.setDefaultTimeout(patienceMs)
    context.on('request', (request) => this.requested.push(request.url()))
    context.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(message.text())
    })
    context.on('weberror', (error) => this.faults.push(String(error.error())))
    return context
  }

  /** Files for an input of the page: the installation's roots, as its owner has them. */
  async rootFiles(): Promise<{ name: string; mimeType: string; buffer: Buffer }[]> {
    const file = async (name: string): Promise<{ name: string; mimeType: string; buffer: Buffer }> => ({
      name,
      mimeType: 'application/octet-stream',
      buffer: await readFile(join(this.installation.stateDir, name)),
    })
    return [await file('anchors.json'), await file('ca.pem')]
  }

  /** The address that `strongroom portal` prints. */
  async address(): Promise<string> {
    return (await this.installation.must<{ address: string }>('portal', '--no-open')).address
  }

  /** A page with the owner's session. */
  async signedIn(path = '/', context?: BrowserContext): Promise<Page> {
    const page = await (context ?? (await this.context())).newPage()
    await page.goto(await this.address())
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    if (path !== '/') await page.goto(this.origin + path)
    return page
  }

  /** Calls a service as the owner, from the page's own origin: rules for other origins do not apply. */
  async asOwner<Body = unknown>(method: string, host: string, path: string, body?: object): Promise<Body> {
    const { token } = await fetchOwnerToken(join(this.installation.stateDir, 'run/owner.sock'), audienceOf(host))
    const response = await fetch(`${this.origin}/-/${host}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status >= 300) throw new Error(`${method} ${host}${path}: ${response.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as Body
  }

  /**
   * Evidence of a VM's boot. Without guests, a boot is attested on the first request; on a busy machine that takes
   * longer than one request may.
   */
  async bootEvidence<Evidence>(id: string): Promise<Evidence> {
    for (let left = 5; ; left -= 1) {
      try {
        return await this.asOwner<Evidence>('POST', managementHost, `${id}/retrieveBootEvidence?api-version=2024-11-01`)
      } catch (error) {
        if (left === 0 || !String(error).includes('PeerTimeout')) throw error
      }
    }
  }

  /** Attests an AMD VM's evidence again at the region's shared provider, as anyone may. @returns the status */
  async attest({ silicon, runtimeClaims }: BootEvidence): Promise<number> {
    if (silicon.kind !== 'SNP') throw new TypeError('evidence of another silicon than AMD’s')
    const report = { SnpReport: silicon.report, VcekCertChain: Buffer.from(silicon.vcekChainPem).toString('base64') }
    const body = {
      report: Buffer.from(JSON.stringify(report)).toString('base64url'),
      runtimeData: { data: runtimeClaims, dataType: 'JSON' },
    }
    const url = `${this.origin}/-/${sharedAttestationHost(homeRegion.code)}/attest/SevSnpVm?api-version=2025-06-01`
    const headers = { 'content-type': 'application/json' }
    return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).status
  }

  /** `/subscriptions/{id}` */
  async subscription(): Promise<string> {
    const path = '/subscriptions?api-version=2022-12-01'
    const { value } = await this.asOwner<{ value: { id: string }[] }>('GET', managementHost, path)
    return value[0]!.id
  }

  async close(): Promise<void> {
    await this.browser.close()
    await this.installation.remove()
  }
}

function audienceOf(host: string): string {
  if (host.startsWith('graph.')) return `https://${host}/`
  if (host.includes('.attest.')) return attestationAudience
  return /\.(vault|managedhsm)\./.test(host) ? keyAudience(`https://${host}`) : managementAudience
}
