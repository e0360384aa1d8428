// A master that is modbus-serial: KIND PORT; prints what it gets as JSON.
const ModbusRTU = require("modbus-serial");
const [kind, port] = [process.argv[2], Number(process.argv[3])];

// Ask up to four times, as on a line, where what takes longer than 0.4 s gets silence.
async function again(act, times = 3) {
  return act().catch((error) => (times && !error.modbusCode ? again(act, times - 1) : Promise.reject(error)));
}

async function ask() {
  const client = new ModbusRTU();
  client.setID(1);
  client.setTimeout(2000);
  const connect = { tcp: client.connectTCP, rtuovertcp: client.connectTelnet, udp: client.connectUDP }[kind];
  await connect.call(client, "127.0.0.1", { port });
  const found = { reads: [] };
  for (let number = 0; number < 200; number++) {
    const [address, count] = [number * 13 % 800, 1 + number % 100];
    found.reads.push([address, (await again(() => client.readHoldingRegisters(address, count))).data]);
  }
  await again(() => client.writeRegister(950, 4711));
  found.written = (await again(() => client.readHoldingRegisters(950, 1))).data;
  await again(() => client.readHoldingRegisters(5000, 2)).catch((error) => { found.refused = error.modbusCode; });
  if (kind !== "rtuovertcp") found.named = Object.values((await again(() => client.readDeviceIdentification(1, 0))).data); // it cannot, over that
  client.close(() => {});
  console.log(JSON.stringify(found));
}

ask().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
