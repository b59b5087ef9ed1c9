// Runs stock upload clients for the tests: tus-js-client in this process, the others in a page of headless Chromium.
//
// Commands come as lines of JSON on standard input ({id, op, …}) and are answered in lines of JSON on standard output
// ({id, value} or {id, error}), in whatever order they end. The page is served from a free port of this machine, which
// is an origin of its own: what it asks of the API and of S3 passes real CORS.

import { createServer } from 'node:http'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import * as tus from 'tus-js-client'

const FOLDER = new URL('.', import.meta.url).pathname
const CALL_MILLISECONDS = 120_000

let browser
let origin
const pages = new Map()
const uploads = new Map()

const operations = {
  // A page with a storage of its own, whose every request takes the way of the proxy, if there is one.
  async open({ page, proxy }) {
    browser ??= launch()
    origin ??= serve()
    const context = await (await browser).newContext(proxy ? { proxy: { server: proxy } } : {})
    const tab = await context.newPage()
    tab.setDefaultTimeout(CALL_MILLISECONDS)
    const said = []
    tab.on('console', (message) => said.push(message.text()))
    tab.on('pageerror', (error) => said.push(String(error)))
    pages.set(page, { context, tab, said })
    await tab.goto(await origin)
  },
  async call({ page, name, argument }) {
    const { tab, said } = pages.get(page)
    try {
      return await tab.evaluate(([name, argument]) => window.clients[name](argument), [name, argument])
    } catch (error) {
      throw new Error(`${error.message}\nthe page said:\n${said.slice(-20).join('\n')}`)
    }
  },
  async choose({ page, file }) {
    await pages.get(page).tab.setInputFiles('#file', file)
  },
  async reload({ page }) {
    await pages.get(page).tab.reload()
  },
  async close({ page }) {
    await pages.get(page).context.close()
    pages.delete(page)
  },

  // Ends with the upload's URL, or as soon as it is aborted.
  tus({ name, file, storage, resume, options }) {
    return new Promise((resolve, reject) => {
      const upload = new tus.Upload(createReadStream(file), {
        ...options,
        urlStorage: storage ? new tus.FileUrlStorage(storage) : undefined,
        fingerprint: async () => file,
        onSuccess: () => resolve({ url: upload.url }),
        onError: reject,
      })
      uploads.set(name, { upload, aborted: () => resolve({ url: upload.url, aborted: true }) })
      begin(upload, resume).catch(reject)
    })
  },
  async tusAbort({ name, terminate }) {
    const { upload, aborted } = uploads.get(name)
    await upload.abort(terminate)
    aborted()
  },
}

async function begin(upload, resume) {
  if (resume) {
    const [previous] = await upload.findPreviousUploads()
    if (!previous) throw new Error('there is no previous upload')
    upload.resumeFromPreviousUpload(previous)
  }
  upload.start()
}

function launch() {
  // Chromium has no sandbox for root, which tests in a container are.
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: process.getuid() === 0 ? ['--no-sandbox'] : [],
  })
}

async function serve() {
  const page = await readFile(`${FOLDER}index.html`)
  const { outputFiles } = await build({
    entryPoints: [`${FOLDER}app.js`], bundle: true, write: false, format: 'iife', target: 'es2022', logLevel: 'error',
  })
  const server = createServer((request, response) => {
    const script = request.url === '/app.js'
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html; charset=utf-8')
    response.end(script ? outputFiles[0].contents : page)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://localhost:${server.address().port}/`
}

function answer(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, ...rest } = JSON.parse(line)
  Promise.resolve()
    .then(() => operations[op](rest))
    .then((value) => answer({ id, value: value ?? null }))
    .catch((error) => answer({ id, error: String(error?.message ?? error) }))
}
if (browser) await (await browser).close()
process.exit(0)
