import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import { chromium, type Page } from 'playwright-core'

export const browserPath = '/usr/bin/chromium'

/** A script of this folder, bundled for a browser; its exports become the page's global `evidence`. */
export async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    globalName: 'evidence',
    platform: 'browser',
    target: 'es2024',
    conditions: ['x-source'],
    external: ['node:*'],
  })
  return outputFiles[0]?.text ?? ''
}

/** A page in Chromium that has loaded only this script. */
export async function openPage(script: string): Promise<{ page: Page; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    const wanted = request.url === '/evidence.js'
    response.setHeader('content-type', wanted ? 'text/javascript; charset=utf-8' : 'text/html')
    response.end(wanted ? script : '<!doctype html><title>evidence</title><script src="/evidence.js"></script>')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  // No sandbox: tests run as root in containers, where Chromium refuses to start with one. The page holds our own script only.
  const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox', '--disable-gpu'] })
  const page = await browser.newPage()
  // WebCrypto exists in secure contexts only, and a loopback address is one.
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return {
    page,
    close: async () => {
      await browser.close()
      await new Promise((closed) => server.close(closed))
    },
  }
}
