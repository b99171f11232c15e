import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { buildInspector } from '../../../scripts/build-inspector.ts'

const types: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
}

/** The inspector's folder, hosted under a path as anyone may do, and a real browser. */
export class InspectorTest {
  readonly #directory: string
  readonly #server: Server
  readonly #browser: Browser
  readonly requested: string[] = []
  readonly faults: string[] = []

  private constructor(directory: string, server: Server, browser: Browser) {
    this.#directory = directory
    this.#server = server
    this.#browser = browser
  }

  static async open(): Promise<InspectorTest> {
    const directory = mkdtempSync(join(tmpdir(), 'strongroom-inspector-'))
    await buildInspector(directory)
    const files = new Map(
      (readdirSync(directory, { recursive: true }) as string[])
        .filter((name) => extname(name) !== '')
        .map((name) => [`/some/place/${name}`, readFileSync(join(directory, name))]),
    )
    const server = createServer((request, response) => {
      const path = request.url === '/some/place/' ? '/some/place/index.html' : (request.url ?? '')
      const content = files.get(path)
      response.statusCode = content === undefined ? 404 : 200
      response.setHeader('content-type', types[extname(path)] ?? 'text/plain')
      response.end(content)
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    // No sandbox: tests run as root in containers, where Chromium refuses to start with one.
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu'],
    })
    return new InspectorTest(directory, server, browser)
  }

  /** The path of the chunk that verifies, relative to the page. */
  get verifier(): string {
    const [name] = (readdirSync(this.#directory, { recursive: true }) as string[]).filter((each) =>
      /inspect-[A-Z0-9]+\.js$/.test(each),
    )
    return name!
  }

  /** The fully loaded page. */
  async page(): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 900 } })
    context.setDefaultTimeout(60_000)
    context.on('request', (request) => this.requested.push(request.url()))
    context.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(message.text())
    })
    context.on('weberror', (error) => this.faults.push(String(error.error())))
    const page = await context.newPage()
    const loaded = page.waitForResponse((response) => response.url().endsWith(this.verifier))
    await page.goto(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/some/place/`)
    await loaded
    return page
  }

  async close(): Promise<void> {
    await this.#browser.close()
    await new Promise((closed) => this.#server.close(closed))
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
